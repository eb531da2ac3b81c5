import { emptySnapshot } from '../routing/compile.ts'
import type { Snapshot } from '../routing/snapshot.ts'

/** The snapshot that this process serves: replaced whole by one assignment, never changed. */
export interface SnapshotStore {
  readonly current: () => Snapshot
  /** Puts a newer one in its place; an older one is ignored. */
  publish(snapshot: Snapshot): void
  /** Puts this one in its place, whatever its version: the database was restored from a backup. */
  restore(snapshot: Snapshot): void
  /** Calls `listener` after each replacement, until the returned function is called. */
  readonly subscribe: (listener: (snapshot: Snapshot) => void) => () => void
}

/** A store with nothing in it. */
export function createSnapshotStore(): SnapshotStore {
  let current = emptySnapshot
  const listeners = new Set<(snapshot: Snapshot) => void>()
  const restore = (snapshot: Snapshot) => {
    current = snapshot
    for (const listener of listeners) listener(snapshot)
  }
  return {
    current: () => current,
    restore,
    publish(snapshot) {
      if (snapshot.version > current.version || current === emptySnapshot) restore(snapshot)
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
