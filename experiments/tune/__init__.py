"""Looking for a design: the most capital-efficient one within a limit, the largest cap, and who a change would hit."""
