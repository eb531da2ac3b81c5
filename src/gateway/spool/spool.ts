/**
 * Usage records on disk, from the end of their requests until the database has them.
 *
 * A record is in a file of the spool before the last byte of its answer goes out, so the death of this process loses none
 * that a client saw end. Records wait there while the database is away; what it has taken is deleted segment by segment.
 */
import { unlink } from 'node:fs'
import type { UsageAbout, UsageEncoder } from '../../routing/usage-entry.ts'
import { endedAtMs, type UsageRecord } from '../../routing/usage-record.ts'
import { guarded } from '../guarded.ts'
import { monotonicMs } from '../monotonic.ts'
import type { GatewayLog, OpenRequest, RequestStart, UsageSink } from '../ports.ts'
import { Roster } from '../roster.ts'
import { writeRecords } from '../turn.ts'
import { abandonedRecord } from './abandoned-record.ts'
import { BatchesOut, type SpoolBatch, type SpooledRecord } from './batches-out.ts'
import { type Frame, FrameBuffer, readFrame } from './frame.ts'
import { listSegments, type SpoolFolder, segmentPath, takeSpoolFolder } from './spool-folder.ts'
import { Segment } from './segment.ts'

export interface SpoolOptions {
  /** Made if it is not there. Processes that share it take one folder in it each. */
  readonly root: string
  /** Of whoever stores the records. */
  readonly encoder: UsageEncoder
  readonly log: GatewayLog
  /** Of all segments; what comes beyond is not written. Default: 16 GiB. */
  readonly maxBytes?: number
  readonly maxSegmentBytes?: number
  /** Unshipped records that are also kept in memory, so that they need not be read again. */
  readonly maxInMemory?: number
}

/** How a spool is doing. */
export interface SpoolState {
  /** Every request that ended here before this instant has been shipped; milliseconds since the epoch. */
  readonly completeUntilMs: number
  /** Records that have not been shipped. */
  readonly pending: number
  /** Of these, not on disk: the death of this process would lose them. */
  readonly unsafe: number
  /** Records that could be kept nowhere, since the process began. */
  readonly lost: number
  readonly bytes: number
}

/** An unshipped record. It keeps text and numbers, since what it was made of would live as long. */
interface Waiting extends SpooledRecord {
  /** The instant of its request's end, in milliseconds since the epoch. */
  readonly endMs: number
  /** Null: it could not be written. */
  segment: Segment | null
  /** Where its frame ends in the segment. */
  end: number
}

const groupMs = 100
const readBytes = 4 * 1024 * 1024
/** An active segment of this size that has been shipped to its end makes room. */
const idleSegmentBytes = 1024 * 1024
/** A request's end is computed a moment before its record gets here. */
const handoverMs = 1_000
const clockJumpMs = 250
const complaintMs = 10_000

/**
 * Opens the spool and recovers what earlier processes left in it: what they tore is cut off, and requests that had begun
 * get a record that says `GATEWAY_ERROR`. Throws if the folder cannot be made, written or had.
 */
export function openSpool(options: SpoolOptions): Spool {
  const folder = takeSpoolFolder(options.root)
  try {
    return new Spool(options, folder)
  } catch (error) {
    folder.release()
    throw error
  }
}

export class Spool implements UsageSink, Disposable {
  /** Of the folder: stays the same over restarts. */
  readonly id: string
  /** Ids of other folders whose records are now here, until `forgetAdopted`. */
  readonly adoptedIds: readonly string[]
  readonly #folder: SpoolFolder
  readonly #encoder: UsageEncoder
  readonly #log: GatewayLog
  readonly #maxBytes: number
  readonly #maxSegmentBytes: number
  readonly #maxInMemory: number
  /** Oldest first. */
  readonly #segments: Segment[] = []
  /** The last one, while it is written. Never one of another process: the numbers of their abouts are others. */
  #active: Segment | null = null
  /** A number is not used again while its file may still be about to be deleted. */
  #nextNumber = 1
  /** Of all segments. */
  #bytes = 0

  // Of this tick, to be written at its end.
  readonly #frames = new FrameBuffer()
  #tick: Waiting[] = []
  /** Apart from what waits: it holds all that its request needed, and would keep that until the record is shipped. */
  #written: (() => void)[] = []

  /** Unshipped records, oldest first, unless they are to be read `#fromDisk`. */
  #queue: Waiting[] = []
  #fromDisk = false
  /** In the first segment: where the first unshipped record is, or what comes before it. */
  #shippedTo = 0
  readonly #out = new BatchesOut()

  /** Requests in flight: not yet written, and with the segment that says so. */
  readonly #newlyOpen = new Roster<OpenRequest>()
  readonly #openIn = new Map<string, { readonly request: OpenRequest; readonly segment: Segment }>()

  #pending = 0
  #lost = 0
  #isFailing = false
  #complainedAtMs = -Infinity
  #clockOffsetMs = Date.now() - monotonicMs()
  /** Requests that were in flight when the clock jumped: their ends are told by the old time. */
  #astray: Map<string, number> = new Map()
  readonly #timer: NodeJS.Timeout
  /** What was shipped too late to be noted comes again from disk. */
  #isClosed = false

  constructor(options: SpoolOptions, folder: SpoolFolder) {
    this.id = folder.id
    this.adoptedIds = folder.adoptedIds
    this.#folder = folder
    this.#encoder = options.encoder
    this.#log = options.log
    this.#maxBytes = options.maxBytes ?? 16 * 1024 ** 3
    this.#maxSegmentBytes = options.maxSegmentBytes ?? 32 * 1024 ** 2
    this.#maxInMemory = options.maxInMemory ?? 8192
    this.#recover()
    const failed = (error: unknown) => this.#complain(error, 'the spool failed in its regular work')
    this.#timer = setInterval(
      guarded(() => this.#group(), failed),
      groupMs,
    )
    this.#timer.unref()
  }

  // ── what the gateway says ──

  open(request: OpenRequest): void {
    this.#newlyOpen.add(request)
  }

  append(record: UsageRecord, opened: OpenRequest | null, written: () => void): void {
    if (opened) this.#close(opened)
    this.#enterTick(record)
    this.#written.push(written)
  }

  #close(request: OpenRequest): void {
    if (request.rosterIndex >= 0) this.#newlyOpen.delete(request)
    else this.#openIn.delete(request.id)
    if (this.#astray.size > 0) this.#astray.delete(request.id)
  }

  #enterTick(record: UsageRecord): void {
    const { about, line } = this.#encoder.encode(record)
    this.#tick.push({ id: record.id, about, line, endMs: endedAtMs(record), segment: null, end: 0 })
    // All requests that end in this turn of the event loop share one write.
    if (this.#tick.length === 1) writeRecords.add(this)
  }

  /** Writes what has ended in this turn. */
  flush(): void {
    const [waiting, written] = [this.#tick, this.#written]
    if (waiting.length === 0) return
    this.#tick = []
    this.#written = []
    const segment = this.#write((frames, into) => addRecords(frames, into, waiting))
    for (const one of waiting) {
      if (segment) {
        one.segment = segment
        segment.count(one.endMs)
      }
      this.#enqueue(one)
    }
    for (const tell of written) this.#tell(tell)
  }

  /** A step of the turn threw: the records that it has not reached are written with the next ones. */
  fail(error: unknown): void {
    this.#complain(error, 'writing usage records failed')
  }

  /** Of many requests that wait for their records, one that fails keeps no other waiting. */
  #tell(written: () => void): void {
    try {
      written()
    } catch (error) {
      this.#log.error({ err: error }, 'a request failed when its record was written')
    }
  }

  /** Writes frames; null if that failed, which has been said. `add` returns the abouts that are new in the segment. */
  #write(add: (frames: FrameBuffer, into: Segment) => readonly UsageAbout[]): Segment | null {
    const frames = this.#frames
    frames.clear()
    try {
      const segment = this.#writable()
      const abouts = add(frames, segment)
      if (this.#bytes + frames.length > this.#maxBytes) throw new Error(`the spool has its ${this.#maxBytes} bytes`)
      segment.append(frames.bytes())
      for (const about of abouts) segment.abouts.set(about.number, about)
      this.#bytes += frames.length
      if (this.#isFailing) this.#log.info({ pending: this.#pending }, 'the spool is written again')
      this.#isFailing = false
      return segment
    } catch (error) {
      this.#isFailing = true
      this.#complain(error, 'the spool cannot be written: usage records are kept in memory only')
      return null
    }
  }

  #writable(): Segment {
    const active = this.#active
    if (active && !active.isBroken && active.bytes < this.#maxSegmentBytes) return active
    const segment = new Segment(segmentPath(this.#folder.path, this.#nextNumber))
    this.#nextNumber++
    active?.sync((error) => this.#complain(error, 'a segment of the spool could not be synced'))
    this.#segments.push(segment)
    this.#active = segment
    return segment
  }

  #enqueue(one: Waiting): void {
    this.#pending++
    if (!this.#fromDisk && this.#queue.length >= this.#maxInMemory) this.#leaveMemory()
    if (!this.#fromDisk) this.#queue.push(one)
    else if (!one.segment) this.#lose(1)
  }

  /** Too many wait: from now on they are read again when it is their turn. */
  #leaveMemory(): void {
    this.#fromDisk = true
    this.#lose(this.#queue.filter((one) => !one.segment).length)
    this.#queue = []
  }

  #lose(count: number): void {
    this.#pending -= count
    this.#lost += count
    if (count > 0) this.#complain(undefined, 'usage records are lost: neither disk nor database takes them')
  }

  #complain(error: unknown, message: string): void {
    if (monotonicMs() - this.#complainedAtMs < complaintMs) return
    this.#complainedAtMs = monotonicMs()
    this.#log.error({ err: error, lost: this.#lost, pending: this.#pending }, message)
  }

  // ── what is shipped ──

  /** Records that are neither shipped nor on their way. */
  get untaken(): number {
    return this.#pending - this.#out.records
  }

  /** The records behind those that are out, oldest first; null if there are none, or none yet. */
  take(maxRecords: number): SpoolBatch | null {
    if (this.#isClosed) return null
    return this.#fromDisk ? this.#takeFromDisk(maxRecords) : this.#takeFromMemory(maxRecords)
  }

  #takeFromMemory(maxRecords: number): SpoolBatch | null {
    const start = this.#out.records
    const taken = this.#queue.slice(start, start + maxRecords)
    if (taken.length === 0) return null
    const isLast = start + taken.length === this.#queue.length
    return this.#out.add({ records: taken, end: null, isLast }, () => {
      if (this.#isClosed) return
      this.#pending -= taken.length
      if (!this.#fromDisk) this.#queue.splice(0, taken.length)
      else this.#forgive(taken)
      for (const { segment, end } of taken) if (segment) this.#shipped(segment, 1, end)
    })
  }

  /** These were counted as lost when memory was left, and have arrived after all. */
  #forgive(taken: readonly Waiting[]): void {
    const unsafe = taken.filter((one) => !one.segment).length
    this.#lost -= unsafe
    this.#pending += unsafe
  }

  #takeFromDisk(maxRecords: number): SpoolBatch | null {
    const segment = this.#segments[0]
    // What was taken from memory is on disk too: it has to be noted there first.
    if (this.#out.size > 0 && this.#out.end === null) return null
    if (!segment) return this.#returnToMemory()
    const { records, end } = this.#read(segment, this.#out.end ?? this.#shippedTo, maxRecords)
    if (records.length > 0) {
      // Whether it is, the next take finds out, and goes back to memory.
      return this.#out.add({ records, end, isLast: false }, () => {
        if (this.#isClosed) return
        this.#pending -= records.length
        this.#shipped(segment, records.length, end)
      })
    }
    if (this.#out.size > 0) return null
    if (this.#segments.length === 1) return this.#returnToMemory()
    this.#drop(segment)
    return this.#takeFromDisk(maxRecords)
  }

  /** All that is on disk has been shipped. */
  #returnToMemory(): null {
    this.#fromDisk = false
    return null
  }

  #read(segment: Segment, from: number, maxRecords: number): { records: SpooledRecord[]; end: number } {
    const records: SpooledRecord[] = []
    let end = from
    // Of a window that says nothing but what began, the next one follows.
    for (let begin = -1; records.length === 0 && end > begin;) {
      begin = end
      const bytes = segment.read(begin, readBytes)
      while (records.length < maxRecords) {
        const frame = readFrame(bytes, end - begin)
        if (!frame) break
        end += frame.length
        if (frame.kind !== 'record') continue
        records.push({ id: frame.id, about: segment.abouts.get(frame.about)!, line: frame.text() })
      }
    }
    return { records, end }
  }

  /** Only the first segment's position counts: those behind it have not been begun. */
  #shipped(segment: Segment, records: number, end: number): void {
    segment.shipped += records
    while (this.#segments[0] !== segment && this.#segments[0]?.isShipped) this.#drop(this.#segments[0])
    if (this.#segments[0] === segment) this.#shippedTo = end
  }

  /** Its records are in the database. What it says of requests in flight is said again before it goes. */
  #drop(segment: Segment): void {
    this.#segments.shift()
    this.#shippedTo = 0
    if (segment === this.#active) this.#active = null
    for (const [id, open] of this.#openIn) {
      if (open.segment !== segment) continue
      this.#openIn.delete(id)
      this.#newlyOpen.add(open.request)
    }
    if (!this.#writeOpen()) {
      // Those requests lose their mark, and nothing else: keeping the segment would fill the disk for good.
      this.#complain(undefined, 'the spool cannot be written: requests in flight would not be found after a crash')
    }
    // It can be less only if the disk changed it after it was recovered.
    this.#lose(segment.records - segment.shipped)
    this.#bytes -= segment.bytes
    segment.close()
    unlink(segment.path, (error) => {
      if (error) this.#complain(error, 'a shipped segment of the spool could not be deleted')
    })
  }

  /** It is known that the records of the adopted are this spool's. */
  forgetAdopted(): void {
    this.#folder.forgetAdopted()
  }

  /** A record that was taken can be stored nowhere. */
  countRefused(): void {
    this.#lost++
  }

  // ── what happens in the background ──

  #group(): void {
    this.#writeOpen()
    this.#segments.at(-1)?.sync((error) => this.#complain(error, 'a segment of the spool could not be synced'))
    if (this.#out.size === 0) this.#makeRoom()
  }

  /** What has been shipped to its end goes; the segment that is being written, only if it is worth it. */
  #makeRoom(): void {
    for (const segment of this.#segments.slice()) {
      if (!segment.isShipped || (segment === this.#active && segment.bytes < idleSegmentBytes)) return
      this.#drop(segment)
    }
  }

  /** In one write for all that began since the last time: those that have ended meanwhile need none. */
  #writeOpen(): boolean {
    if (this.#newlyOpen.size === 0) return true
    this.flush()
    const requests = this.#newlyOpen.list()
    const segment = this.#write((frames) => addOpen(frames, requests))
    if (!segment) return false
    for (const request of requests) {
      this.#newlyOpen.delete(request)
      this.#openIn.set(request.id, { request, segment })
    }
    return true
  }

  /** Also tells the file that this process was alive now: see `#recover`. */
  state(): SpoolState {
    if (!this.#isClosed) this.#segments.at(-1)?.touch()
    return {
      completeUntilMs: this.#completeUntilMs(),
      pending: this.#pending + this.#tick.length,
      unsafe: this.#queue.reduce((count, one) => count + (one.segment ? 0 : 1), 0),
      lost: this.#lost,
      bytes: this.#bytes,
    }
  }

  #completeUntilMs(): number {
    this.#watchClock()
    let until = Date.now() - handoverMs
    for (const { endMs } of this.#tick) until = Math.min(until, endMs)
    for (const { endMs } of this.#queue) until = Math.min(until, endMs)
    if (this.#fromDisk) {
      for (const segment of this.#segments) if (!segment.isShipped) until = Math.min(until, segment.firstEndMs)
    }
    for (const startedAtMs of this.#astray.values()) until = Math.min(until, startedAtMs)
    return until
  }

  #watchClock(): void {
    const offsetMs = Date.now() - monotonicMs()
    if (Math.abs(offsetMs - this.#clockOffsetMs) > clockJumpMs) {
      for (const request of this.#newlyOpen.list()) this.#astray.set(request.id, request.startedAtMs)
      for (const [id, { request }] of this.#openIn) this.#astray.set(id, request.startedAtMs)
    }
    this.#clockOffsetMs = offsetMs
  }

  // ── begin and end ──

  #recover(): void {
    const open = new Map<string, RequestStart>()
    let lastAliveMs = 0
    for (const { number, path } of listSegments(this.#folder.path)) {
      const segment = new Segment(path)
      this.#nextNumber = number + 1
      lastAliveMs = Math.max(lastAliveMs, segment.modifiedAtMs())
      const damaged = segment.recover((frame: Frame) => {
        if (frame.kind === 'open') open.set(frame.id, JSON.parse(frame.text()) as RequestStart)
        else open.delete(frame.id)
      })
      if (damaged > 0) this.#log.warn({ path, bytes: damaged }, 'a torn end of a spool segment was cut off')
      this.#segments.push(segment)
      this.#bytes += segment.bytes
      this.#pending += segment.records
    }
    this.#fromDisk = this.#pending > 0
    this.#appendAbandoned([...open.values()], lastAliveMs)
    if (this.#pending > 0) this.#log.info({ records: this.#pending, abandoned: open.size }, 'the spool was recovered')
  }

  #appendAbandoned(requests: readonly RequestStart[], lastAliveMs: number): void {
    if (requests.length === 0) return
    for (const request of requests) this.#enterTick(abandonedRecord(request, lastAliveMs))
    this.#fromDisk = true
    this.flush()
  }

  /** Writes what is left and lets the folder go. What is not shipped waits for the next process. */
  [Symbol.dispose](): void {
    if (this.#isClosed) return
    clearInterval(this.#timer)
    this.flush()
    this.#writeOpen()
    this.#isClosed = true
    for (const segment of this.#segments) segment.close()
    if (this.#pending === 0 && this.#openIn.size === 0) {
      for (const segment of this.#segments) unlink(segment.path, () => undefined)
    }
    this.#folder.release()
  }
}

/** Behind what they are about, unless the segment has that. Notes where each frame ends; returns the abouts that were added. */
function addRecords(frames: FrameBuffer, into: Segment, waiting: readonly Waiting[]): readonly UsageAbout[] {
  const added: UsageAbout[] = []
  for (const one of waiting) {
    const { id, about, line, endMs } = one
    if (!into.abouts.has(about.number) && !added.includes(about)) {
      added.push(about)
      frames.add({ kind: 'about', id: '', instantMs: 0, about: about.number }, about.text)
    }
    frames.add({ kind: 'record', id, instantMs: endMs, about: about.number }, line)
    one.end = into.bytes + frames.length
  }
  return added
}

function addOpen(frames: FrameBuffer, requests: readonly OpenRequest[]): readonly UsageAbout[] {
  for (const request of requests) {
    const head = { kind: 'open', id: request.id, instantMs: request.startedAtMs, about: 0 } as const
    frames.add(head, JSON.stringify(request.start()))
  }
  return []
}
