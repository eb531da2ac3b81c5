import type { UsageAttributes } from '../../routing/usage/entry.ts'
import { IndexedSet } from '../loop/indexed-set.ts'
import type { OpenRequest } from '../ports.ts'
import type { FrameBuffer } from './frame.ts'
import type { LedgerClock } from './ledger-clock.ts'
import type { Segment } from './segment.ts'
import type { AddFrames } from './segment-chain.ts'

/** Requests in flight, and the marks on disk by which the next process finds those that a crash cut off. */
export class OpenRequests {
  /** Without a mark. */
  readonly #unmarked = new IndexedSet<OpenRequest>()
  readonly #markedIn = new Map<string, { readonly request: OpenRequest; readonly segment: Segment }>()

  get isAnyUnmarked(): boolean {
    return this.#unmarked.size > 0
  }

  get isAnyMarked(): boolean {
    return this.#markedIn.size > 0
  }

  add(request: OpenRequest): void {
    this.#unmarked.add(request)
  }

  delete(request: OpenRequest): void {
    if (request.indexInSet >= 0) this.#unmarked.delete(request)
    else this.#markedIn.delete(request.id)
  }

  /** One write marks all that began since the last time: those that have ended meanwhile need none. False: it failed. */
  mark(write: (add: AddFrames) => Segment | null, clock: LedgerClock): boolean {
    const requests = this.#unmarked.list()
    const segment = write((frames) => addMarks(frames, requests, clock))
    if (!segment) return false
    for (const request of requests) {
      this.#unmarked.delete(request)
      this.#markedIn.set(request.id, { request, segment })
    }
    return true
  }

  /** The segment goes: what it marked needs another mark. */
  unmark(segment: Segment): void {
    for (const [id, marked] of this.#markedIn) {
      if (marked.segment !== segment) continue
      this.#markedIn.delete(id)
      this.#unmarked.add(marked.request)
    }
  }
}

/** With the ledger's times, because the error of this machine's clock cannot be determined later. */
function addMarks(
  frames: FrameBuffer,
  requests: readonly OpenRequest[],
  clock: LedgerClock,
): readonly UsageAttributes[] {
  const lagMs = clock.lagMs()
  for (const request of requests) {
    const startedAtMs = lagMs === 0 ? request.startedAtMs : Math.min(request.startedAtMs + lagMs, clock.now())
    const head = { kind: 'open', id: request.id, instantMs: startedAtMs, about: 0, sequence: 0 } as const
    frames.add(head, JSON.stringify({ ...request.start(), startedAtMs }))
  }
  return []
}
