"""One function a mutation of functions and their policies: one transaction and its events.

Packages are stored before the transaction begins, because nothing leaves the process while one is open.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final
from uuid import uuid4

import msgspec
import orjson

from kokoa.functions.control import events
from kokoa.functions.control.code_store import CodeStore
from kokoa.functions.control.errors import (
    CodeStorageExceeded,
    FunctionExists,
    PermissionExists,
    PermissionNotFound,
    PolicyTooLong,
    RevisionMismatch,
)
from kokoa.functions.control.model import (
    CODE_STORAGE_BYTES_MAX,
    POLICY_BYTES_MAX,
    Code,
    Function,
    Permission,
    Settings,
    require_name,
    require_permission,
    require_reserved,
    require_settings,
    require_tags,
)
from kokoa.functions.control.package import check_package
from kokoa.functions.control.store import function_not_found, function_of, permission_of, q, variables_place
from kokoa.postgres import Database, Row, Transaction
from kokoa.postgres.vault import Vault
from kokoa.processes.steps import reached

STATEMENT_OVERHEAD_BYTES: Final = 200
"""What a statement takes in the policy document beside its own texts."""

Changed = Callable[[str, str, str], None]
"""Told (environment_id, account_id, function name) at once when this process changed a function."""


class FunctionActions:
    """Changes functions and their policies.  changed: this process's own caches, which must not lag behind."""

    def __init__(self, database: Database, vault: Vault, code: CodeStore, *, changed: Changed) -> None:
        self._database = database
        self._vault = vault
        self._code = code
        self._changed = changed

    async def create(
        self,
        environment_id: str,
        account_id: str,
        name: str,
        settings: Settings,
        package: bytes,
        tags: Mapping[str, str],
        *,
        correlation_id: str,
    ) -> Function:
        """A function that can be invoked.

        Raises InvalidFunction, InvalidCode, FunctionExists, CodeStorageExceeded.
        """
        require_name(name)
        require_settings(settings)
        require_tags(tags)
        code = await self._keep(package)
        reached("create.stored")
        async with self._database.transaction(environment_id) as tx:
            await _require_room(tx, account_id, name, code)
            row = await tx.fetchrow(
                q.insert_function,
                account_id,
                name,
                *_columns(settings),
                self._seal(environment_id, account_id, name, settings.variables),
                orjson.dumps(dict(tags)).decode(),
                code.sha256,
                code.size,
                uuid4(),
            )
            if row is None:
                raise FunctionExists(f"Function already exist: {name}")
            function = function_of(row, self._vault)
            event = events.FunctionCreated(
                account_id=account_id, function_name=name, revision_id=function.revision_id
            )
            await tx.emit(event, correlation_id=correlation_id)
        reached("create.written")
        self._changed(environment_id, account_id, name)
        return function

    async def update_settings(
        self,
        function: Function,
        change: Mapping[str, object],
        *,
        revision_id: str,
        correlation_id: str,
    ) -> Function:
        """New configuration.  change: fields of Settings, applied to what is there when the function is locked.

        Raises InvalidFunction, FunctionNotFound, RevisionMismatch.
        """
        async with self._database.transaction(function.environment_id) as tx:
            current = await self._lock(tx, function, revision_id)
            settings = require_settings(msgspec.structs.replace(current.settings, **change))
            variables = self._seal(function.environment_id, function.account_id, function.name, settings.variables)
            row = await tx.fetchrow(
                q.update_settings,
                function.account_id,
                function.name,
                *_columns(settings),
                variables,
                uuid4(),
            )
            updated = await self._updated(tx, row, function, correlation_id)
        self._changed(function.environment_id, function.account_id, function.name)
        return updated

    async def update_code(
        self,
        function: Function,
        package: bytes,
        *,
        architecture: str,
        revision_id: str,
        dry_run: bool,
        correlation_id: str,
    ) -> Function:
        """New code; dry_run: only say what would be.  architecture: empty for the one it has.

        Raises InvalidCode, FunctionNotFound, RevisionMismatch.
        """
        if dry_run:
            _require_revision(function, revision_id)
            return msgspec.structs.replace(function, code=await asyncio.to_thread(check_package, package))
        code = await self._keep(package)
        reached("update.stored")
        async with self._database.transaction(function.environment_id) as tx:
            current = await self._lock(tx, function, revision_id)
            await _require_room(tx, function.account_id, function.name, code)
            row = await tx.fetchrow(
                q.update_code,
                function.account_id,
                function.name,
                code.sha256,
                code.size,
                architecture or current.settings.architecture,
                uuid4(),
            )
            updated = await self._updated(tx, row, function, correlation_id)
        reached("update.written")
        self._changed(function.environment_id, function.account_id, function.name)
        return updated

    async def change_tags(self, function: Function, *, add: Mapping[str, str], remove: Iterable[str]) -> None:
        """Raises InvalidFunction, FunctionNotFound."""
        gone = frozenset(remove)
        async with self._database.transaction(function.environment_id) as tx:
            current = await self._lock(tx, function, "")
            kept = {name: value for name, value in current.tags.items() if name not in gone}
            tags = orjson.dumps(dict(require_tags({**kept, **add}))).decode()
            await tx.execute(q.update_tags, function.account_id, function.name, tags)

    async def reserve(self, function: Function, reserved: int | None, *, limit: int, correlation_id: str) -> None:
        """Bound how many of it run at once; None takes the bound away.  limit: what the account may run at once.

        Raises InvalidFunction, FunctionNotFound.
        """
        async with self._database.transaction(function.environment_id) as tx:
            await tx.execute(q.lock_reservations, function.account_id)
            current = await self._lock(tx, function, "")
            if reserved is not None:
                by_others = await tx.fetchval(q.reserved_concurrency, function.account_id, function.name)
                require_reserved(reserved, by_others=by_others, limit=limit)
            await tx.execute(q.update_reserved_concurrency, function.account_id, function.name, reserved)
            event = events.FunctionUpdated(
                account_id=function.account_id, function_name=function.name, revision_id=current.revision_id
            )
            await tx.emit(event, correlation_id=correlation_id)
        self._changed(function.environment_id, function.account_id, function.name)

    async def delete(self, environment_id: str, account_id: str, name: str, *, correlation_id: str) -> None:
        """Remove the function; routes that lead to it stay, broken, as in AWS. Raises FunctionNotFound."""
        async with self._database.transaction(environment_id) as tx:
            if await tx.fetchval(q.delete_function, account_id, name) is None:
                raise function_not_found(account_id, name)
            event = events.FunctionDeleted(account_id=account_id, function_name=name)
            await tx.emit(event, correlation_id=correlation_id)
        self._changed(environment_id, account_id, name)

    async def add_permission(
        self, function: Function, permission: Permission, *, revision_id: str, correlation_id: str
    ) -> None:
        """A statement more. Raises InvalidPermission, PermissionExists, PolicyTooLong, RevisionMismatch."""
        require_permission(permission)
        async with self._database.transaction(function.environment_id) as tx:
            await self._lock(tx, function, revision_id)
            rows = await tx.fetch(q.permissions_of, function.account_id, function.name)
            statements = [*(permission_of(row) for row in rows), permission]
            if sum(_statement_bytes(statement) for statement in statements) > POLICY_BYTES_MAX:
                raise PolicyTooLong(f"The final policy size is bigger than the limit ({POLICY_BYTES_MAX}).")
            inserted = await tx.fetchval(
                q.insert_permission,
                function.account_id,
                function.name,
                permission.statement_id,
                permission.action,
                permission.principal,
                permission.source_arn,
                permission.source_account,
            )
            if inserted is None:
                raise PermissionExists(
                    f"The statement id ({permission.statement_id}) provided already exists. Please provide a new "
                    "statement id, or remove the existing statement."
                )
            await self._policy_changed(tx, function, correlation_id)

    async def remove_permission(
        self, function: Function, statement_id: str, *, revision_id: str, correlation_id: str
    ) -> None:
        """A statement less. Raises PermissionNotFound, RevisionMismatch."""
        async with self._database.transaction(function.environment_id) as tx:
            await self._lock(tx, function, revision_id)
            arguments = (function.account_id, function.name, statement_id)
            if await tx.fetchval(q.delete_permission, *arguments) is None:
                raise PermissionNotFound(f"Statement {statement_id} is not found in resource policy.")
            await self._policy_changed(tx, function, correlation_id)

    async def _keep(self, package: bytes) -> Code:
        code = await asyncio.to_thread(check_package, package)
        await self._code.put(code.sha256, package)
        return code

    async def _lock(self, tx: Transaction, function: Function, revision_id: str) -> Function:
        """The function as it is now; nobody else changes it until the transaction ends."""
        row = await tx.fetchrow(q.function_for_update, function.account_id, function.name)
        if row is None:
            raise function_not_found(function.account_id, function.name)
        current = function_of(row, self._vault)
        _require_revision(current, revision_id)
        return current

    async def _updated(self, tx: Transaction, row: Row | None, function: Function, correlation_id: str) -> Function:
        if row is None:
            raise function_not_found(function.account_id, function.name)
        updated = function_of(row, self._vault)
        event = events.FunctionUpdated(
            account_id=function.account_id, function_name=function.name, revision_id=updated.revision_id
        )
        await tx.emit(event, correlation_id=correlation_id)
        return updated

    async def _policy_changed(self, tx: Transaction, function: Function, correlation_id: str) -> None:
        event = events.PermissionChanged(account_id=function.account_id, function_name=function.name)
        await tx.emit(event, correlation_id=correlation_id)

    def _seal(self, environment_id: str, account_id: str, name: str, variables: Mapping[str, str]) -> bytes:
        place = variables_place(environment_id, account_id, name)
        return self._vault.seal(orjson.dumps(dict(variables)), place=place)


def _columns(settings: Settings) -> tuple[object, ...]:
    return (
        settings.description,
        settings.runtime,
        settings.handler,
        settings.role,
        settings.timeout_s,
        settings.memory_mb,
        settings.architecture,
    )


def _require_revision(function: Function, revision_id: str) -> None:
    if revision_id and revision_id != function.revision_id:
        raise RevisionMismatch(
            "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to "
            "retrieve the latest Revision Id"
        )


async def _require_room(tx: Transaction, account_id: str, name: str, code: Code) -> None:
    used = await tx.fetchrow(q.code_storage, account_id, name)
    if used is not None and used["bytes"] + code.size > CODE_STORAGE_BYTES_MAX:
        raise CodeStorageExceeded("Code storage limit exceeded. Delete functions that are not needed any more.")


def _statement_bytes(permission: Permission) -> int:
    texts = msgspec.structs.astuple(permission)
    return STATEMENT_OVERHEAD_BYTES + sum(len(text) for text in texts)
