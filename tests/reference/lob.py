"""The slow twin of the order book: plain Python, lists and dictionaries, written for reading, not for speed.

It shares no code with the kernels beyond the names of the message fields. Orders are known by the number of the message
that sent them (0, 1, 2 ... over the whole life of the books), so it needs no handles.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from market.kernels.records import BUY, CANCEL, IOC, LIMIT, MARKET, NO_IMPACT, POST_ONLY, SELL


@dataclass(kw_only=True)
class Message:
    """One message; `target` is the number of the message whose order a CANCEL names."""

    op: int
    book: int = 0
    side: int = BUY
    price: int = 0
    lots: int = 0
    account: int = 0
    flags: int = 0
    target: int = -1


@dataclass(kw_only=True)
class Order:
    """A resting order."""

    number: int
    account: int
    book: int
    side: int
    price: int
    lots: int


@dataclass(kw_only=True)
class Fill:
    """One trade; maker and taker are message numbers."""

    book: int
    maker: int
    taker: int
    side: int
    price: int
    lots: int


@dataclass(kw_only=True)
class Lob:
    """Price-time priority books with `n_levels[b]` prices each; accounts in `crowd` may trade with themselves."""

    n_levels: list[int]
    n_accounts: int
    crowd: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.resting: dict[int, Order] = {}  # by number, so oldest first
        self.fills: list[Fill] = []
        self.sent = 0
        self.rejected = 0
        self.last = [0] * len(self.n_levels)
        self.volume = [0] * len(self.n_levels)
        self.net_flow = [0] * len(self.n_levels)

    def side_of(self, book: int, side: int) -> list[Order]:
        """Orders on one side in the order in which they would be met."""
        sign = -1 if side == BUY else 1
        orders = [order for order in self.resting.values() if order.book == book and order.side == side]
        return sorted(orders, key=lambda order: (sign * order.price, order.number))

    def submit(self, message: Message) -> None:
        """Carry out one message."""
        number = self.sent
        self.sent += 1
        if message.op == CANCEL:
            self.resting.pop(message.target, None)
        elif not self._valid(message):
            self.rejected += 1
        elif message.op == LIMIT and message.flags & POST_ONLY and self._would_trade(message):
            return
        else:
            left = self._match(message, number)
            if left and message.op == LIMIT:
                self.resting[number] = Order(
                    number=number,
                    account=message.account,
                    book=message.book,
                    side=message.side,
                    price=message.price,
                    lots=left,
                )

    def cancel_account(self, account: int, book: int | None = None) -> int:
        """Cancel an account's orders, on one book or all."""
        mine = [
            order.number
            for order in self.resting.values()
            if order.account == account and (book is None or order.book == book)
        ]
        for number in mine:
            del self.resting[number]
        return len(mine)

    def open_lots(self, account: int, book: int, side: int) -> int:
        """Lots an account has resting."""
        return sum(order.lots for order in self.side_of(book, side) if order.account == account)

    def snapshot(self, book: int) -> list[tuple[int, int, int]]:
        """(side, price, lots) of every price with orders, bids from the best down, then asks from the best up."""
        lots: dict[tuple[int, int], int] = {}
        for side in (BUY, SELL):
            for order in self.side_of(book, side):
                lots[side, order.price] = lots.get((side, order.price), 0) + order.lots
        return [(side, price, total) for (side, price), total in lots.items()]

    def _valid(self, message: Message) -> bool:
        if message.op not in (LIMIT, MARKET, IOC) or message.side not in (BUY, SELL) or message.lots <= 0:
            return False
        if message.book not in range(len(self.n_levels)) or message.account not in range(self.n_accounts):
            return False
        return message.op == MARKET or message.price in range(1, self.n_levels[message.book] - 1)

    @staticmethod
    def _acceptable(message: Message, price: int) -> bool:
        if message.op == MARKET:
            return True
        return price <= message.price if message.side == BUY else price >= message.price

    def _would_trade(self, message: Message) -> bool:
        opposite = self.side_of(message.book, SELL if message.side == BUY else BUY)
        return bool(opposite) and self._acceptable(message, opposite[0].price)

    def _match(self, message: Message, number: int) -> int:
        left = message.lots
        for order in self.side_of(message.book, SELL if message.side == BUY else BUY):
            if left == 0 or not self._acceptable(message, order.price):
                break
            if order.account == message.account and message.account not in self.crowd:
                del self.resting[order.number]
                continue
            traded = min(left, order.lots)
            self.fills.append(
                Fill(
                    book=message.book,
                    maker=order.number,
                    taker=number,
                    side=message.side,
                    price=order.price,
                    lots=traded,
                )
            )
            left -= traded
            order.lots -= traded
            if order.lots == 0:
                del self.resting[order.number]
            self.last[message.book] = order.price
            self.volume[message.book] += traded
            if not message.flags & NO_IMPACT:
                self.net_flow[message.book] += traded if message.side == BUY else -traded
        return left
