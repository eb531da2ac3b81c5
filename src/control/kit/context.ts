import type { Snapshot } from '../../routing/config/snapshot.ts'
import type { ApiKeyScope, UserRole } from '../../routing/config/vocabulary.ts'
import type { Db, Tx } from '../../storage/database/db.ts'
import type { GatewayRow } from '../../storage/gateway/write.ts'
import type { SecretBox } from '../../storage/secret/box.ts'
import type { Refusal } from './refusal.ts'
import type { UpstreamHttp } from './upstream-http.ts'

/** All that commands work with; the server plugs it together once. */
export interface ControlContext {
  readonly db: Db
  readonly box: SecretBox
  readonly snapshots: SnapshotHolder
  readonly upstreams: UrlPolicy
  readonly upstreamHttp: UpstreamHttp
  readonly propagation: Propagator
  /** Sees a change as the last thing in its transaction, e.g. to read what it made; `touched` are the ids of what is changed. */
  readonly beforeCommit?: (tx: Tx, touched: readonly string[]) => Promise<void>
}

/** For commands whose spread nobody waits for. */
export const nobodyElse: Propagator = {
  wait: () => Promise.resolve({ applied: true, pendingGateways: [] }),
  look: () => Promise.resolve({ applied: true, pendingGateways: [] }),
}

/** The snapshot that this process serves. */
export interface SnapshotHolder {
  current(): Snapshot
  /** Puts a newer one in its place; an older one is ignored, unless it replaces exactly the one that is served. */
  publish(snapshot: Snapshot, replaced?: Snapshot): void
}

/** Which gateways serve a version. Neither throws: what was committed is answered as committed, whatever the database does then. */
export interface Propagator {
  /**
   * Resolves when every live gateway serves `version` at least, or after 5 s. With its token also when a failover has lost it: then it is
   * not applied, though the number may be served.
   */
  wait(version: number, token: string | null): Promise<VersionSpread>
  /** How far it is now. */
  look(version: number): Promise<VersionSpread>
}

/** How far a version has spread. */
export interface VersionSpread {
  /** Whether every gateway that may still be serving serves it. */
  readonly applied: boolean
  /** Those that do not serve it yet, lost ones included. */
  readonly pendingGateways: readonly GatewayRow[]
}

/** Which addresses upstreams may have. */
export interface UrlPolicy {
  check(url: URL): { readonly ok: true } | { readonly ok: false; readonly reason: string }
}

/** Who calls: a key and its owner, or the platform itself. */
export interface Actor {
  /** A key's id, or `system:` and a name: what history records. */
  readonly id: string
  /** Its name, with its owner's: what history shows when both are gone. */
  readonly label: string
  readonly userId: string | null
  readonly role: UserRole
  /** What the key may do, no more than its owner. */
  readonly scopes: ReadonlySet<ApiKeyScope>
}

/** What a command waits for before it answers. */
export type Propagation = 'COMMITTED' | 'APPLIED'

/**
 * What a command answers. `version` contains the change; the current one if nothing changed. `spread` is null if it was not waited
 * for.
 */
export type Answer<T> =
  | { readonly ok: true; readonly value: T; readonly version: number; readonly spread: VersionSpread | null }
  | { readonly ok: false; readonly refusals: readonly Refusal[]; readonly version: number }
