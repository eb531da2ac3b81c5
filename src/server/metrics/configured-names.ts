import type { Snapshot } from '../../routing/config/snapshot.ts'
import { boundedLabel, otherLabel } from './series-table.ts'

/** Whether a label names a configured object. Labels without an object (none, `other`) are kept. */
export interface ConfiguredNames {
  readonly hasRoute: (label: string) => boolean
  readonly hasBackend: (label: string) => boolean
}

export function configuredNames(snapshot: Snapshot): ConfiguredNames {
  const isFixed = (label: string) => label === '' || label === otherLabel
  const backends = new Set(Array.from(snapshot.backends.values(), ({ label }) => boundedLabel(label)))
  return {
    hasRoute: (label) => isFixed(label) || snapshot.routesByName.get(label) !== undefined,
    hasBackend: (label) => isFixed(label) || backends.has(label),
  }
}
