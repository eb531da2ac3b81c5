import type { Backend } from '../../routing/config/snapshot.ts'

const rememberedMs = 60 * 60 * 1_000
/** A clean-up begins here: more backends than this are seldom so strict. */
const maxRemembered = 1_000

/** Which backends refuse to be asked for the usage of a stream: strict servers know no `stream_options`. */
export class StreamUsageMemory {
  readonly #untilMs = new Map<string, number>()

  /** Whether a stream of this backend may be asked for its usage. */
  mayAsk(backend: Backend, nowMs: number): boolean {
    const rules = backend.kind === 'deployment' ? backend.requestRules : backend.provider.requestRules
    if (!rules.addStreamUsage) return false
    const untilMs = this.#untilMs.get(backend.id)
    // A clock that was put back would make it last for longer than it is meant to.
    return untilMs === undefined || nowMs >= untilMs || nowMs < untilMs - rememberedMs
  }

  /** It has refused; it is not asked again for an hour. */
  noteRefusal(backendId: string, nowMs: number): void {
    if (this.#untilMs.size >= maxRemembered) this.#forget(nowMs)
    this.#untilMs.set(backendId, nowMs + rememberedMs)
  }

  #forget(nowMs: number): void {
    for (const [id, untilMs] of this.#untilMs) if (nowMs >= untilMs) this.#untilMs.delete(id)
    if (this.#untilMs.size >= maxRemembered) this.#untilMs.clear()
  }
}
