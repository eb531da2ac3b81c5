import type { Actor } from '../../control/kit/context.ts'
import type { ApiKeyScope } from '../../routing/config/vocabulary.ts'
import { fault } from './fault.ts'

/** Which scopes open a field: any one of them is enough. */
export type AnyScope = Readonly<Partial<Record<ApiKeyScope, true>>>

/** For listing and looking up providers, deployments and routes. */
export const readsConfig = { CONFIG_READ: true } as const satisfies AnyScope
/** For changing them. */
export const writesConfig = { CONFIG_WRITE: true } as const satisfies AnyScope
/** For changing weights and fallbacks. */
export const writesTraffic = { CONFIG_WRITE: true, TRAFFIC_WRITE: true } as const satisfies AnyScope
/** For the members of a provider, deployment or route that a field returned: whoever may change it may see what came of it. */
export const seesConfig = { CONFIG_READ: true, CONFIG_WRITE: true, TRAFFIC_WRITE: true } as const satisfies AnyScope
/** For what stands behind a backend: addresses and hints of secrets. Who only switches traffic needs neither. */
export const seesUpstreams = { CONFIG_READ: true, CONFIG_WRITE: true } as const satisfies AnyScope
export const readsUsage = { USAGE_READ: true } as const satisfies AnyScope
export const administers = { ADMIN: true } as const satisfies AnyScope

/** For keys: an administrator manages everyone's, who may change the configuration manages its own. */
export const managesKeys = { ADMIN: true, CONFIG_WRITE: true } as const satisfies AnyScope

export function hasAnyScope(actor: Actor, scopes: AnyScope): boolean {
  return Object.keys(scopes).some((scope) => actor.scopes.has(scope as ApiKeyScope))
}

/** The audit log is for administrators, and for operators who may read the configuration. */
export function mayReadAudit(actor: Actor): boolean {
  return actor.scopes.has('ADMIN') || (actor.scopes.has('CONFIG_READ') && actor.role !== 'MEMBER')
}

export const readsAudit = { ADMIN: true, CONFIG_READ: true } as const satisfies AnyScope

/** Throws `FORBIDDEN` for whoever may not read the audit log. */
export function requireAuditReader(actor: Actor): void {
  if (!mayReadAudit(actor)) throw forbidden(Object.keys(readsAudit))
}

/** Throws `FORBIDDEN` without one of the scopes. */
export function requireAnyScope(actor: Actor, scopes: AnyScope): void {
  if (!hasAnyScope(actor, scopes)) throw forbidden(Object.keys(scopes))
}

/** The same text whatever was asked for: it does not tell what exists. */
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
