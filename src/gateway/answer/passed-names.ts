import type { RequestRules } from '../../routing/config/configuration.ts'
import { mayPassHeader, mayPassResponseHeader } from '../../routing/config/request-rules.ts'
import type { Backend } from '../../routing/config/snapshot.ts'

/** Headers that pass to a backend, or back from it, besides the fixed lists. */
interface PassedNames {
  readonly request: ReadonlySet<string>
  readonly response: ReadonlySet<string>
}

/** By the snapshot's own object: made once for as long as it does not change. */
const known = new WeakMap<RequestRules, PassedNames>()

/** Null: none, as for most backends. */
export function passedNamesOf(backend: Backend): PassedNames | null {
  const rules = backend.kind === 'deployment' ? backend.requestRules : backend.provider.requestRules
  if (rules.passHeaders.length === 0 && rules.passResponseHeaders.length === 0) return null
  let names = known.get(rules)
  if (!names) {
    // Rules that an earlier version stored may have names that are refused now.
    names = {
      request: new Set(rules.passHeaders.filter(mayPassHeader)),
      response: new Set(rules.passResponseHeaders.filter(mayPassResponseHeader)),
    }
    known.set(rules, names)
  }
  return names
}
