"""What an account may take of the host's event loop, with however many sandboxes."""

from kokoa.functions.host.shares import AccountShares, Shares


def test_sandboxes_of_an_account_have_one_share_of_everything() -> None:
    accounts = AccountShares()
    sandboxes = [Shares() for _ in range(25)]
    for sandbox in sandboxes:
        sandbox.join(accounts.of("1" * 12))
    other = Shares()
    other.join(accounts.of("2" * 12))
    for name in vars(other):
        waits = [getattr(sandbox, name).spend(100.0) for sandbox in sandboxes]
        assert waits == sorted(waits), name
        assert waits[-1] > 0, name
        assert getattr(other, name).spend(0.01) == 0, f"{name}: another account's is untouched"
