import { emptySnapshot } from '../../routing/config/compile.ts'
import type { Snapshot } from '../../routing/config/snapshot.ts'

/** The snapshot that this process serves: replaced whole by one assignment, never changed. */
export interface SnapshotStore {
  readonly current: () => Snapshot
  /**
   * Puts a newer one in its place; an older one is ignored, unless it replaces exactly the one that is served: then the database
   * has lost changes (a failover, a restore), and what is served never was.
   */
  publish(snapshot: Snapshot, replaced?: Snapshot): void
  /** Calls `listener` after each replacement, until the returned function is called. */
  readonly subscribe: (listener: (snapshot: Snapshot) => void) => () => void
}

/** A store with nothing in it. */
export function createSnapshotStore(): SnapshotStore {
  let current = emptySnapshot
  const listeners = new Set<(snapshot: Snapshot) => void>()
  return {
    current: () => current,
    publish(snapshot, replaced) {
      const isServed = snapshot.version === current.version && snapshot.token === current.token
      const isNext = snapshot.version > current.version || current === emptySnapshot || current === replaced
      if (isServed || !isNext) return
      current = snapshot
      for (const listener of listeners) listener(snapshot)
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
