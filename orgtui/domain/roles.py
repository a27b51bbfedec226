"""Who may do what: two roles of an organization and one permission for each kind of act."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """The seed's two roles; badges show them in capitals."""

    OWNER = "owner"
    ADMIN = "admin"


class WorkspaceRole(StrEnum):
    """What somebody may in one workspace, the most first."""

    OWNER = "owner"
    ADMIN = "admin"
    EDITOR = "editor"
    VIEWER = "viewer"


# Who acts for the platform itself: no address, so nobody can be invited as it.
PLATFORM = "platform"


class Permission(StrEnum):
    """What an operation needs; every operation names exactly one."""

    VIEW = "view"
    EDIT_ORGANIZATION = "edit_organization"
    DELETE_ORGANIZATION = "delete_organization"
    TRANSFER_OWNERSHIP = "transfer_ownership"
    MANAGE_MEMBERS = "manage_members"
    MANAGE_BILLING = "manage_billing"
    MANAGE_KEYS = "manage_keys"
    MANAGE_WORKSPACES = "manage_workspaces"
    RECORD_USAGE = "record_usage"
    SET_INVENTORY = "set_inventory"
    USE_KEYS = "use_keys"
    SETTLE_PAYMENTS = "settle_payments"
    VIEW_AUDIT = "view_audit"
    MANAGE_ACCESS = "manage_access"
    ADMIT_MEMBERS = "admit_members"


_OWNER_ONLY = {Permission.DELETE_ORGANIZATION, Permission.TRANSFER_OWNERSHIP, Permission.MANAGE_BILLING}

# A key in clear is for calls, not for people; what was paid is said by who was paid; and who somebody is, by who asked
# for proof of it.
_PLATFORM_ONLY = {Permission.USE_KEYS, Permission.SETTLE_PAYMENTS, Permission.ADMIT_MEMBERS}

PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.OWNER: frozenset(set(Permission) - _PLATFORM_ONLY),
    Role.ADMIN: frozenset(set(Permission) - _PLATFORM_ONLY - _OWNER_ONLY),
}
PLATFORM_PERMISSIONS = frozenset(
    {
        Permission.RECORD_USAGE,
        Permission.SET_INVENTORY,
        Permission.USE_KEYS,
        Permission.SETTLE_PAYMENTS,
        Permission.ADMIT_MEMBERS,
        Permission.VIEW,
    }
)

# What a token may carry. Of payments, and of who somebody is, only what runs beside the books may tell; no token can.
PLATFORM_TOKEN_PERMISSIONS = PLATFORM_PERMISSIONS - {Permission.SETTLE_PAYMENTS, Permission.ADMIT_MEMBERS}
READING_PERMISSIONS = frozenset({Permission.VIEW, Permission.VIEW_AUDIT})

REASONS: dict[Permission, str] = {
    Permission.DELETE_ORGANIZATION: "Only an owner can delete the organization.",
    Permission.TRANSFER_OWNERSHIP: "Only an owner can transfer ownership.",
    Permission.USE_KEYS: "Keys are handed to the platform only; nobody reads them.",
    Permission.SETTLE_PAYMENTS: "What was paid is written down by the platform only.",
    Permission.ADMIT_MEMBERS: "Who signs in is let in by the server only, which asked for proof.",
    Permission.MANAGE_BILLING: "Billing is the owner's; admins can look, not change.",
}


ABOVE = "Only an owner can invite, change or remove an owner."
_RANK = (Role.ADMIN, Role.OWNER)


def reaches(mine: Role, theirs: Role) -> bool:
    """Whether who has the role *mine* may grant or touch *theirs*: nobody reaches above their own."""
    return _RANK.index(theirs) <= _RANK.index(mine)


def allows(role: Role, permission: Permission) -> bool:
    """Whether *role* carries *permission*."""
    return permission in PERMISSIONS[role]


def refusal(permission: Permission) -> str:
    """Why a role without *permission* is refused, as one sentence."""
    return REASONS.get(permission, f"Your role does not allow this ({permission.value.replace('_', ' ')}).")
