import type { Snapshot } from '../../routing/config/snapshot.ts'
import type { ApiKeyScope, UserRole } from '../../routing/config/vocabulary.ts'
import type { Db, Tx } from '../../storage/database/db.ts'
import type { GatewayRow } from '../../storage/gateway/write.ts'
import type { SecretBox } from '../../storage/secret/box.ts'
import type { ChangeQueue } from './change-queue.ts'
import type { Refusal } from './refusal.ts'
import type { UpstreamHttp } from './upstream-http.ts'

/** What commands depend on. The server creates it once. */
export interface ControlContext {
  readonly db: Db
  readonly box: SecretBox
  readonly snapshots: SnapshotHolder
  readonly upstreams: UrlPolicy
  readonly upstreamHttp: UpstreamHttp
  readonly propagation: Propagator
  /** Omitted: nothing waits for what is under way. */
  readonly queue?: ChangeQueue
  /** What waits in the queue for a caller that has left is not begun. */
  readonly hasCallerLeft?: () => boolean
  /** Runs as the last step of a change's transaction, e.g. to read the new state. `touched` are the ids of the changed objects. */
  readonly beforeCommit?: (tx: Tx, touched: readonly string[]) => Promise<void>
}

/** A propagator for commands that do not wait for gateways. */
export const nobodyElse: Propagator = {
  wait: () => Promise.resolve({ applied: true, pendingGateways: [] }),
  look: () => Promise.resolve({ applied: true, pendingGateways: [] }),
}

/** The snapshot that this process serves. */
export interface SnapshotHolder {
  current(): Snapshot
  /** Serves a newer snapshot. An older one is ignored, unless `replaced` is the served snapshot. */
  publish(snapshot: Snapshot, replaced?: Snapshot): void
}

/**
 * Reports which gateways serve a version. The methods never throw: a committed change is answered as committed even if the database
 * fails afterwards.
 */
export interface Propagator {
  /**
   * Resolves when every live gateway serves at least `version`, or after 5 s. With its token it also resolves when a failover has lost
   * the version: then it is not applied, even if gateways serve a version with its number.
   */
  wait(version: number, token: string | null): Promise<VersionSpread>
  /** The current state, without a wait. */
  look(version: number): Promise<VersionSpread>
}

/** How far a version has spread. */
export interface VersionSpread {
  /** Whether every gateway that may still be serving serves it. */
  readonly applied: boolean
  /** Gateways that do not serve it yet, lost gateways included. */
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
  /** Its name with the name of its owner: what the history shows after both were deleted. */
  readonly label: string
  readonly userId: string | null
  readonly role: UserRole
  /** The scopes of the key, limited to those of its owner. */
  readonly scopes: ReadonlySet<ApiKeyScope>
}

/** What a command waits for before it answers. */
export type Propagation = 'COMMITTED' | 'APPLIED'

/**
 * The answer of a command. `version` contains the change; it is the current version if nothing changed. `spread` is null if the command
 * did not wait for gateways.
 */
export type Answer<T> =
  | { readonly ok: true; readonly value: T; readonly version: number; readonly spread: VersionSpread | null }
  | { readonly ok: false; readonly refusals: readonly Refusal[]; readonly version: number }
