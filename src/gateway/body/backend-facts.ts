import type { Backend } from '../../routing/config/snapshot.ts'

/** What requests need of a backend in a form of its own, made once for as long as the backend does not change. */
export interface BackendFacts {
  /** Of the header `x-signalbox-backend`. */
  readonly label: string
  /** The upstream's model name as bytes: as a JSON string with its quotes, and bare. */
  readonly modelJson: Buffer
  readonly model: Buffer
}

const known = new WeakMap<Backend, BackendFacts>()

export function backendFacts(backend: Backend): BackendFacts {
  let facts = known.get(backend)
  if (!facts) {
    facts = {
      label: encodeURIComponent(backend.label),
      modelJson: Buffer.from(backend.upstreamModelJson),
      model: Buffer.from(backend.upstreamModel),
    }
    known.set(backend, facts)
  }
  return facts
}
