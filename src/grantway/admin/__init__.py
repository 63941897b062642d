"""What an administrator can do, as use cases: behind the admin API, the command line and an embedding application.

Owns: the rules an administrator's change must obey, what it leaves behind (revocations, events) and who may do it to
whom (``rights``). Does not own: HTTP, JSON pages, the command line, the storage.

Every use case is an async function ``(runtime, tenant, …, actor=…)``. It raises ``NotFound``, ``Conflict``,
``Unprocessable``, ``InvalidClientMetadata`` or ``InvalidRedirectUri``, and emits ``events.Administered`` once the
change is durable.
"""
