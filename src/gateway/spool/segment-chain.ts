import { unlink } from 'node:fs'
import type { UsageAttributes } from '../../routing/usage/entry.ts'
import { FrameBuffer } from './frame.ts'
import type { LedgerClock } from './ledger-clock.ts'
import { Segment } from './segment.ts'
import { segmentPath } from './spool-folder.ts'

export interface SegmentChainOptions {
  readonly folderPath: string
  readonly runId: string
  readonly clock: LedgerClock
  /** Most bytes of all segments; further records are refused. Read at each write. */
  readonly maxBytes: () => number
  readonly maxSegmentBytes: number
  readonly complain: (error: unknown, message: string) => void
}

/** Adds frames for the segment that they are written to; returns the abouts that are new in it. */
export type AddFrames = (frames: FrameBuffer, into: Segment) => readonly UsageAttributes[]

/** The segments of a spool, oldest first: frames are written to the last one, and the first one goes when all of it is shipped. */
export class SegmentChain {
  readonly #options: SegmentChainOptions
  readonly #segments: Segment[] = []
  /** The last one, while it is written. Never one of another process: the numbers of their abouts are others. */
  #active: Segment | null = null
  /** A number is not used again while its file may still be about to be deleted. */
  #nextNumber = 1
  #bytes = 0
  readonly #frames = new FrameBuffer()
  /** The runs of deleted segments, by path, that may still be on disk: found there, their records come again. */
  readonly #undeleted = new Map<string, string | null>()

  constructor(options: SegmentChainOptions) {
    this.#options = options
  }

  get bytes(): number {
    return this.#bytes
  }

  get size(): number {
    return this.#segments.length
  }

  get first(): Segment | undefined {
    return this.#segments[0]
  }

  list(): readonly Segment[] {
    return this.#segments.slice()
  }

  isWritten(segment: Segment): boolean {
    return segment === this.#active
  }

  /** The processes whose records may still come from here. */
  listRunIds(): string[] {
    const runIds = [...this.#segments.map(({ runId }) => runId), ...this.#undeleted.values()]
    return [...new Set([this.#options.runId, ...runIds.filter((runId) => runId !== null)])]
  }

  /** Takes a segment that an earlier process left; of the own folder with its number. */
  adopt(segment: Segment, ownNumber: number | null): void {
    if (ownNumber !== null) this.#nextNumber = ownNumber + 1
    this.#segments.push(segment)
    this.#bytes += segment.bytes
  }

  /** `isOwn` segments first: those of other folders are shipped behind them. */
  putFirst(isOwn: (segment: Segment) => boolean): void {
    this.#segments.sort((a, b) => Number(isOwn(b)) - Number(isOwn(a)))
  }

  /** Writes what `add` adds, in one write, to the last segment or a new one. Throws if the disk does not take it. */
  append(add: AddFrames): Segment {
    const { clock } = this.#options
    const maxBytes = this.#options.maxBytes()
    const frames = this.#frames
    frames.clear()
    const segment = this.#writable()
    const abouts = add(frames, segment)
    if (this.#bytes + frames.length > maxBytes) throw new Error(`the spool has its ${maxBytes} bytes`)
    segment.append(frames.bytes())
    // The write has set the file's time to that of a clock which is wrong.
    if (clock.lagMs() !== 0) segment.touch(clock.now())
    for (const about of abouts) segment.abouts.set(about.number, about)
    this.#bytes += frames.length
    return segment
  }

  #writable(): Segment {
    const { folderPath, runId, maxSegmentBytes } = this.#options
    const active = this.#active
    if (active && !active.isBroken && active.bytes < maxSegmentBytes) return active
    const segment = new Segment(segmentPath(folderPath, this.#nextNumber, runId), runId)
    this.#nextNumber++
    if (active) this.#sync(active)
    this.#segments.push(segment)
    this.#active = segment
    return segment
  }

  /** Takes the first segment out; its file stays until it is deleted. */
  shift(): void {
    const segment = this.#segments.shift()
    if (segment === this.#active) this.#active = null
  }

  /** Of a segment that was taken out. */
  delete(segment: Segment): void {
    this.#bytes -= segment.bytes
    segment.close()
    this.#undeleted.set(segment.path, segment.runId)
    unlink(segment.path, (error) => {
      if (error) this.#options.complain(error, 'a shipped segment of the spool could not be deleted')
      else this.#undeleted.delete(segment.path)
    })
  }

  /** Has what was written last put on the disk itself. */
  sync(): void {
    const last = this.#segments.at(-1)
    if (last) this.#sync(last)
  }

  #sync(segment: Segment): void {
    segment.sync((error) => this.#options.complain(error, 'a segment of the spool could not be synced'))
  }

  /** Tells the file that this process is alive now. */
  touch(): void {
    this.#segments.at(-1)?.touch(this.#options.clock.now())
  }

  close(): void {
    for (const segment of this.#segments) segment.close()
  }

  /** All of it is shipped, and nobody looks for an end of requests in it. */
  deleteFiles(): void {
    for (const segment of this.#segments) unlink(segment.path, () => undefined)
  }
}
