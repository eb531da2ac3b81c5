import type { BackendHealthReport } from '../../routing/health/backend-health.ts'
import type { Snapshot } from '../../routing/config/snapshot.ts'
import { Subject } from './subject.ts'

/** The live state, by id of the endpoint, provider model or credential. */
export class Subjects {
  readonly #byId = new Map<string, Subject>()
  /** Gone from the snapshot at the last sweep. */
  readonly #goneOnce = new Set<string>()

  get size(): number {
    return this.#byId.size
  }

  find(id: string): Subject | undefined {
    return this.#byId.get(id)
  }

  of(id: string, ownerId: string): Subject {
    let subject = this.#byId.get(id)
    if (!subject) {
      subject = new Subject(id, ownerId)
      this.#byId.set(id, subject)
    }
    return subject
  }

  /** The health of all that was used or checked, by id. */
  healthReport(nowMs: number): Readonly<Record<string, BackendHealthReport>> {
    const observed = this.#byId.values().filter((subject) => subject.observedAtMs > 0)
    return Object.fromEntries(observed.map((subject) => [subject.id, subject.report(nowMs)]))
  }

  /** Null if it was neither used nor checked. */
  healthOf(id: string, nowMs: number): BackendHealthReport | null {
    const subject = this.#byId.get(id)
    return subject && subject.observedAtMs > 0 ? subject.report(nowMs) : null
  }

  /** Requests in flight by id of the endpoint or provider model, where there are any. */
  inFlightReport(): Readonly<Record<string, number>> {
    const busy = this.#byId.values().filter((subject) => subject.inFlight > 0)
    return Object.fromEntries(busy.map((subject) => [subject.id, subject.inFlight]))
  }

  /** What has another address now starts afresh. `last` is the attempt that was begun last. */
  followAddresses(snapshot: Snapshot, before: Snapshot | null, last: number): void {
    for (const subject of this.#byId.values()) {
      if (subject.address === null) continue
      // Among many endpoints it would be looked for at each change of anything.
      if (before?.backends.get(subject.ownerId) === snapshot.backends.get(subject.ownerId)) continue
      const address = addressOf(snapshot, subject)
      if (address !== null && address !== subject.address) subject.moveTo(address, last)
    }
  }

  /** Forgets what was gone from the snapshot at the last sweep as well, and is idle. */
  sweep(snapshot: Snapshot): void {
    for (const subject of this.#byId.values()) {
      if (subject.inFlight > 0 || isConfigured(snapshot, subject)) this.#goneOnce.delete(subject.id)
      else if (!this.#goneOnce.delete(subject.id)) this.#goneOnce.add(subject.id)
      else this.#byId.delete(subject.id)
    }
  }
}

/** Null: it has none, or is not in the snapshot. */
function addressOf(snapshot: Snapshot, { id, ownerId }: Subject): string | null {
  const backend = snapshot.backends.get(ownerId)
  if (backend?.kind === 'providerModel') return backend.provider.baseUrl
  return backend?.endpoints.find((endpoint) => endpoint.id === id)?.url ?? null
}

function isConfigured(snapshot: Snapshot, { id, ownerId }: Subject): boolean {
  const backend = snapshot.backends.get(ownerId)
  if (backend)
    return backend.id === id || (backend.kind === 'deployment' && backend.endpoints.some((it) => it.id === id))
  return snapshot.providers.get(ownerId)?.credentials.some((credential) => credential.id === id) ?? false
}
