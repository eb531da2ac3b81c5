import type { Actor } from '../../control/kit/context.ts'
import type { ApiKeyScope } from '../../routing/config/vocabulary.ts'
import { fault } from './fault.ts'

/** The scopes that give access to a field: one of them is enough. */
export type AnyScope = Readonly<Partial<Record<ApiKeyScope, true>>>

/** Scopes for listing and looking up providers, deployments and routes. */
export const readsConfig = { CONFIG_READ: true } as const satisfies AnyScope
/** Scopes for changing providers, deployments and routes. */
export const writesConfig = { CONFIG_WRITE: true } as const satisfies AnyScope
/** Scopes for changing weights and fallbacks. */
export const writesTraffic = { CONFIG_WRITE: true, TRAFFIC_WRITE: true } as const satisfies AnyScope
/**
 * Scopes for the members of a provider, deployment or route that a field returned: a caller who may change an object may see the
 * result.
 */
export const seesConfig = { CONFIG_READ: true, CONFIG_WRITE: true, TRAFFIC_WRITE: true } as const satisfies AnyScope
/** Scopes for the addresses of a backend and the hints of its secrets. A caller who only changes weights needs neither. */
export const seesUpstreams = { CONFIG_READ: true, CONFIG_WRITE: true } as const satisfies AnyScope
export const readsUsage = { USAGE_READ: true } as const satisfies AnyScope
export const administers = { ADMIN: true } as const satisfies AnyScope

/** Scopes for managing keys: `ADMIN` for the keys of all users, `CONFIG_WRITE` for the caller's own. */
export const managesKeys = { ADMIN: true, CONFIG_WRITE: true } as const satisfies AnyScope

export function hasAnyScope(actor: Actor, scopes: AnyScope): boolean {
  return Object.keys(scopes).some((scope) => actor.scopes.has(scope as ApiKeyScope))
}

/** The audit log is for administrators, and for operators who may read the configuration. */
export function mayReadAudit(actor: Actor): boolean {
  return actor.scopes.has('ADMIN') || (actor.scopes.has('CONFIG_READ') && actor.role !== 'MEMBER')
}

export const readsAudit = { ADMIN: true, CONFIG_READ: true } as const satisfies AnyScope

/** Throws `FORBIDDEN` if the caller may not read the audit log. */
export function requireAuditReader(actor: Actor): void {
  if (!mayReadAudit(actor)) throw forbidden(Object.keys(readsAudit))
}

/** Throws `FORBIDDEN` without one of the scopes. */
export function requireAnyScope(actor: Actor, scopes: AnyScope): void {
  if (!hasAnyScope(actor, scopes)) throw forbidden(Object.keys(scopes))
}

/** The error has the same text for every object, so that it does not reveal which objects exist. */
export function forbidden(scopes: readonly string[]) {
  return fault(
    'FORBIDDEN',
    `This key may not do that: it needs the scope ${scopes.join(' or ')}, and an owner who has it.`,
  )
}

/** Whether the id is the caller's key, or the user that owns it. */
export function isOwnId(actor: Actor, id: string): boolean {
  return id === actor.id || id === actor.userId
}
