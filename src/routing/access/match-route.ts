import type { Route, Snapshot } from '../config/snapshot.ts'

/** The route whose name equals `model` exactly, in any state; undefined if there is none. */
export function matchRoute(snapshot: Snapshot, model: string): Route | undefined {
  return snapshot.routesByName.get(model)
}
