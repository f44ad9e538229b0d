"""`cascade report`: what a study says, as a page, and as tables for a forum or a paper."""
