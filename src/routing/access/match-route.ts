import type { Route, Snapshot } from '../config/snapshot.ts'

/** The route that a client means by `model`: exactly its name, in any state; undefined if there is none. */
export function matchRoute(snapshot: Snapshot, model: string): Route | undefined {
  return snapshot.routesByName.get(model)
}
