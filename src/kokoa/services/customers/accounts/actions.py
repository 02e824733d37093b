"""Registering, signing in and out, and what e-mails prove; one function a mutation, one transaction, its events."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from kokoa.kernel.clock import now_ms, to_datetime
from kokoa.kernel.ids import new_id
from kokoa.kernel.text import is_plain
from kokoa.postgres import Database, Event, Transaction
from kokoa.services.customers import events
from kokoa.services.customers.accounts.passwords import Passwords
from kokoa.services.customers.actions import end_sessions, insert, locked, put
from kokoa.services.customers.errors import NotSignedIn, ProofInvalid, SignInFailed, TooManySignIns
from kokoa.services.customers.model import (
    FAILURES_FREE,
    FAILURES_WAIT_MAX_S,
    MAIL_EVERY_S,
    PASSWORD_MAX,
    RESET_HOURS,
    SESSION_DAYS,
    VERIFY_HOURS,
    Customer,
    Profile,
    Purpose,
    Session,
    digest_of,
    new_secret,
    require_email,
    require_password,
    require_profile,
)
from kokoa.services.customers.store import customer_of, queries
from kokoa.web.customer_tokens import SessionEnded

_LASTS: Mapping[Purpose, timedelta] = {"VERIFY": timedelta(hours=VERIFY_HOURS), "RESET": timedelta(hours=RESET_HOURS)}
_WRONG = "E-mail address and password do not belong together."


class AccessTokens(Protocol):
    """Makes what a signed-in customer shows with each request."""

    def sign(self, environment_id: str, customer_id: str, session_id: str) -> tuple[str, int]:
        """A token, and until when it is good (unix seconds)."""
        ...


class AccountActions:
    """correlation_id: of the request that caused the change; it travels with the events."""

    def __init__(self, database: Database, tokens: AccessTokens) -> None:
        self._database = database
        self._tokens = tokens
        self._passwords = Passwords()

    async def register(
        self, environment_id: str, email: str, password: str, profile: Profile, *, correlation_id: str
    ) -> tuple[Customer, Session]:
        """A new account, signed in; the address is to be verified.

        Raises InvalidCustomer, InvalidPassword, InvalidVatNumber, EmailTaken, TooManySignIns.
        """
        email, profile = require_email(email), require_profile(profile)
        require_password(password, email)
        hashed = await self._passwords.hash(password)
        async with self._database.transaction(environment_id) as tx:
            customer = await insert(tx, email, hashed, profile, None)
            registered = events.CustomerRegistered(customer_id=customer.id, email=email, version=1, by="CUSTOMER")
            told = [registered, await self._proof(tx, customer, "VERIFY")]
            session = await self._start(tx, environment_id, customer.id, told, correlation_id)
        return customer, session

    async def sign_in(
        self, environment_id: str, email: str, password: str, *, correlation_id: str
    ) -> tuple[Customer, Session]:
        """Raises SignInFailed, TooManySignIns. After five wrong passwords each one makes the next wait longer."""
        email = email.strip().lower()
        readable = is_plain(email) and is_plain(password) and len(password) <= PASSWORD_MAX
        row = await self._database.fetchrow(environment_id, queries.sign_in_of, email) if readable else None
        if row is not None:
            await self._claim_guess(environment_id, str(row["id"]))
        fits = await self._passwords.fits(password if readable else "", None if row is None else row["password"])
        if row is None or not fits:
            raise SignInFailed(_WRONG)
        async with self._database.transaction(environment_id) as tx:
            customer = await locked(tx, str(row["id"]))
            # A password that was changed since it was read is not good any more.
            now = await tx.fetchval(queries.password_of, row["id"])
            if customer.disabled_at is not None or now != row["password"]:
                raise SignInFailed(_WRONG)
            await tx.execute(queries.forget_failures, row["id"])
            session = await self._start(tx, environment_id, customer.id, [], correlation_id)
        return customer, session

    async def refresh(self, environment_id: str, refresh_token: str, *, correlation_id: str) -> Session:
        """Other tokens for a session; the refresh token that was shown is good no more.

        One that was replaced more than ten seconds ago ends the session: somebody else has it. Within them it is
        taken as a client's that did not get the answer. Raises SessionEnded.
        """
        digest = digest_of(refresh_token)
        async with self._database.transaction(environment_id) as tx:
            row = await tx.fetchrow(queries.session_by_digest, digest)
            stolen = row is not None and not row["current"] and not row["just_rotated"] and not row["revoked"]
            if row is not None and stolen:
                await tx.fetchval(queries.revoke_session, row["id"], row["customer_id"])
                event = events.SessionRevoked(
                    customer_id=str(row["customer_id"]), session_id=str(row["id"]), reason="REUSED"
                )
                await tx.emit(event, correlation_id=correlation_id)
            good = row is not None and not (stolen or row["revoked"] or row["expired"] or row["disabled"])
            if row is not None and good:
                secret = new_secret()
                await tx.execute(queries.rotate_session, row["id"], digest_of(secret))
                return self._session(
                    environment_id, str(row["customer_id"]), str(row["id"]), secret, row["expires_at"]
                )
        raise SessionEnded("This session has ended: sign in again.")

    async def sign_out(
        self, environment_id: str, customer_id: str, session_id: str | None, *, correlation_id: str
    ) -> None:
        """session_id: None for everywhere. Again is no error."""
        async with self._database.transaction(environment_id) as tx:
            if session_id is None:
                await end_sessions(tx, customer_id, None, "SIGNED_OUT", correlation_id)
            elif await tx.fetchval(queries.revoke_session, session_id, customer_id) is not None:
                event = events.SessionRevoked(customer_id=customer_id, session_id=session_id, reason="SIGNED_OUT")
                await tx.emit(event, correlation_id=correlation_id)

    async def request_verification(self, environment_id: str, customer_id: str, *, correlation_id: str) -> None:
        """Nothing happens when the address is verified already. Raises CustomerNotFound."""
        async with self._database.transaction(environment_id) as tx:
            customer = await locked(tx, customer_id)
            if customer.verified_at is None and not await _was_sent(tx, customer, "VERIFY"):
                await tx.emit(await self._proof(tx, customer, "VERIFY"), correlation_id=correlation_id)

    async def verify(self, environment_id: str, token: str, *, correlation_id: str) -> Customer:
        """Raises ProofInvalid."""
        async with self._database.transaction(environment_id) as tx:
            customer = await self._proved(tx, token, "VERIFY")
            if customer is not None and customer.verified_at is None:
                customer = await self._verified(tx, customer, correlation_id)
        return _require_proved(customer)

    async def request_reset(self, environment_id: str, email: str, *, correlation_id: str) -> None:
        """Nothing tells whether there is such a customer."""
        email = email.strip().lower()
        if not is_plain(email):
            return
        async with self._database.transaction(environment_id) as tx:
            row = await tx.fetchrow(queries.customer_by_email, email)
            customer = None if row is None else customer_of(row)
            if customer is None or customer.disabled_at is not None or await _was_sent(tx, customer, "RESET"):
                return
            await tx.emit(await self._proof(tx, customer, "RESET"), correlation_id=correlation_id)

    async def reset(
        self, environment_id: str, token: str, password: str, *, correlation_id: str
    ) -> tuple[Customer, Session]:
        """Another password for who reads the address; all sessions end, and one begins.

        Raises ProofInvalid, InvalidPassword: then the token is good still.
        """
        require_password(password, "")
        hashed = await self._passwords.hash(password)
        session: Session | None = None
        async with self._database.transaction(environment_id) as tx:
            customer = await self._proved(tx, token, "RESET")
            if customer is not None:
                require_password(password, customer.email)
                if customer.verified_at is None:
                    customer = await self._verified(tx, customer, correlation_id)
                await tx.execute(queries.set_password, customer.id, hashed)
                await end_sessions(tx, customer.id, None, "PASSWORD", correlation_id)
                told = [events.PasswordChanged(customer_id=customer.id)]
                session = await self._start(tx, environment_id, customer.id, told, correlation_id)
        customer = _require_proved(customer)
        assert session is not None
        return customer, session

    async def change_password(
        self,
        environment_id: str,
        customer_id: str,
        session_id: str,
        old: str,
        new: str,
        *,
        correlation_id: str,
    ) -> Customer:
        """All other sessions end. Raises SignInFailed, InvalidPassword, NotSignedIn, TooManySignIns."""
        require_password(new, "")
        before = await self.require_password(environment_id, customer_id, old)
        hashed = await self._passwords.hash(new)
        async with self._database.transaction(environment_id) as tx:
            customer = await locked(tx, customer_id)
            require_password(new, customer.email)
            if not await tx.fetchval(queries.session_stands, session_id):
                raise NotSignedIn("You are signed out; sign in again.")
            if await tx.fetchval(queries.password_of, customer_id) != before:
                raise SignInFailed("This is not the password until now.")
            await tx.execute(queries.set_password, customer_id, hashed)
            await end_sessions(tx, customer_id, session_id, "PASSWORD", correlation_id)
            await tx.emit(events.PasswordChanged(customer_id=customer_id), correlation_id=correlation_id)
        return customer

    async def require_password(self, environment_id: str, customer_id: str, password: str) -> str:
        """The hash of a customer's password, which this is. Raises SignInFailed, TooManySignIns."""
        await self._claim_guess(environment_id, customer_id)
        hashed: str | None = await self._database.fetchval(environment_id, queries.password_of, customer_id)
        readable = is_plain(password) and len(password) <= PASSWORD_MAX
        if not await self._passwords.fits(password if readable else "", hashed) or hashed is None:
            raise SignInFailed("This is not the password until now.")
        await self._database.execute(environment_id, queries.forget_failures, customer_id)
        return hashed

    async def _claim_guess(self, environment_id: str, customer_id: str) -> None:
        """Raises TooManySignIns."""
        limits = FAILURES_FREE, FAILURES_WAIT_MAX_S
        if await self._database.fetchval(environment_id, queries.claim_guess, customer_id, *limits) is None:
            raise TooManySignIns("Too many wrong passwords. Wait a little, or reset it.", retry_after_s=2.0)

    async def _start(
        self, tx: Transaction, environment_id: str, customer_id: str, told: Sequence[Event], correlation_id: str
    ) -> Session:
        session_id, secret = new_id(), new_secret()
        expires_at = to_datetime(now_ms()) + timedelta(days=SESSION_DAYS)
        await tx.execute(queries.insert_session, session_id, customer_id, digest_of(secret), expires_at)
        started = events.SessionStarted(customer_id=customer_id, session_id=session_id)
        await tx.emit(*told, started, correlation_id=correlation_id)
        return self._session(environment_id, customer_id, session_id, secret, expires_at)

    def _session(
        self, environment_id: str, customer_id: str, session_id: str, secret: str, expires_at: datetime
    ) -> Session:
        access_token, access_expires_s = self._tokens.sign(environment_id, customer_id, session_id)
        return Session(session_id, customer_id, access_token, access_expires_s, secret, expires_at)

    async def _proof(self, tx: Transaction, customer: Customer, purpose: Purpose) -> Event:
        """A token that proves who reads the customer's address, and the event that has it sent."""
        secret = new_secret()
        expires_at = to_datetime(now_ms()) + _LASTS[purpose]
        await tx.execute(queries.insert_proof, digest_of(secret), customer.id, purpose, customer.email, expires_at)
        kind = events.EmailVerificationRequested if purpose == "VERIFY" else events.PasswordResetRequested
        return kind(
            customer_id=customer.id,
            email=customer.email,
            locale=customer.locale,
            token=secret,
            expires_at=expires_at.isoformat(),
        )

    async def _proved(self, tx: Transaction, token: str, purpose: Purpose) -> Customer | None:
        """Who reads the address; None if the token is none. It is used up."""
        row = await tx.fetchrow(queries.take_proof, digest_of(token), purpose)
        if row is None or not row["good"]:
            return None
        customer = await locked(tx, str(row["customer_id"]))
        return customer if customer.email == row["email"] and customer.disabled_at is None else None

    async def _verified(self, tx: Transaction, customer: Customer, correlation_id: str) -> Customer:
        after = type(customer)(
            **{name: getattr(customer, name) for name in customer.__struct_fields__}
            | {"verified_at": to_datetime(now_ms())}
        )
        stored = await put(tx, customer, after, correlation_id)
        event = events.EmailVerified(customer_id=customer.id, email=customer.email)
        await tx.emit(event, correlation_id=correlation_id)
        return stored


async def _was_sent(tx: Transaction, customer: Customer, purpose: Purpose) -> bool:
    """Whether an e-mail for this went to the address within the last minute: nobody floods a mailbox by asking."""
    fresh_after = to_datetime(now_ms()) + _LASTS[purpose] - timedelta(seconds=MAIL_EVERY_S)
    return bool(await tx.fetchval(queries.proof_is_fresh, customer.id, purpose, customer.email, fresh_after))


def _require_proved(customer: Customer | None) -> Customer:
    if customer is None:
        raise ProofInvalid("This token is wrong, was used, or is too old: ask for another one.")
    return customer
