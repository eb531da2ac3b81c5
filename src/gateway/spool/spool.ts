/**
 * Usage records on disk, from the end of their requests until the database has them.
 *
 * A record is in a file of the spool before the last byte of its answer goes out, so the death of this process loses none
 * that a client saw end. Records wait there while the database is away; what it has taken is deleted segment by segment.
 *
 * Invariants, which `test/gateway/spool/ledger-model.test.ts` drives through kills, full disks, clock steps and failing inserts:
 *
 * 1. Each record that was appended is in exactly one place: in a segment, in memory (`#unsafe`), in the database, or counted as lost.
 * 2. What the disk does not take waits in memory up to its bound, in every mode; beyond that a record is lost alone, and counted.
 * 3. `completeUntilMs` is not after the end of any record that is in none of the database and the losses, nor of one yet to come.
 */
import { randomUUID } from 'node:crypto'
import { unlink } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { UsageAbout, UsageEncoder } from '../../routing/usage/entry.ts'
import { endedAtMs, type UsageRecord } from '../../routing/usage/record.ts'
import { guarded } from '../loop/guarded.ts'
import { monotonicMs } from '../loop/monotonic.ts'
import type { GatewayLog, OpenRequest, RequestStart, UsageSink } from '../ports.ts'
import { Roster } from '../loop/roster.ts'
import { writeRecords } from '../loop/phases.ts'
import { abandonedRecord } from './abandoned-record.ts'
import { BatchesOut, type SpoolBatch, type SpooledRecord } from './batches-out.ts'
import { DeathNoteFile } from './death-note.ts'
import { type Frame, FrameBuffer } from './frame.ts'
import { LedgerClock, toleranceMs } from './ledger-clock.ts'
import { type Loss, LossBook } from './loss-book.ts'
import { listSegments, type SpoolFolder, segmentPath, takeSpoolFolder } from './spool-folder.ts'
import { Segment } from './segment.ts'
import { UnsafeRecords } from './unsafe-records.ts'

export interface SpoolOptions {
  /** Made if it is not there. Processes that share it take one folder in it each. */
  readonly root: string
  /** Of whoever stores the records. */
  readonly encoder: UsageEncoder
  readonly log: GatewayLog
  /** Of all segments; what comes beyond is not written. Default: 16 GiB. */
  readonly maxBytes?: number
  readonly maxSegmentBytes?: number
  /**
   * Unshipped records that are also kept in memory, so that they need not be read again; and as many again that could not be written to
   * disk.
   */
  readonly maxInMemory?: number
}

/** How a spool is doing. */
export interface SpoolState {
  /** Every request that ended here before this instant has been shipped, or is lost; milliseconds since the epoch. */
  readonly completeUntilMs: number
  /** Records that have not been shipped. */
  readonly pending: number
  /** Of these, not on disk: the death of this process would lose them. */
  readonly unsafe: number
  /** Records that could be kept nowhere, since the process began. */
  readonly lost: number
  /** What of the lost ones the database has not been told: see `noteReported`. */
  readonly losses: readonly Loss[]
  /** The processes whose records may still come from here. */
  readonly runIds: readonly string[]
  readonly bytes: number
}

/** An unshipped record. It keeps text and numbers, since what it was made of would live as long. */
interface Waiting extends SpooledRecord {
  /** Null: it could not be written. */
  segment: Segment | null
  /** Where its frame ends in the segment. */
  end: number
}

const groupMs = 100
/** An active segment of this size that has been shipped to its end makes room. */
const idleSegmentBytes = 1024 * 1024
const complaintMs = 10_000
/** Unsafe records that are written at once, if one alone could be. */
const maxRescued = 1_024

/**
 * Opens the spool and recovers what earlier processes left in it: what they tore is cut off, what the disk damaged is passed over and
 * counted, and requests that had begun get a record that says `GATEWAY_ERROR`. Throws if the folder cannot be made, written or had.
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
  /** Of this process's use of the folder: its records are numbered. */
  readonly runId: string = randomUUID()
  /** Ids of other folders whose records are now here, until `forgetAdopted`. */
  readonly adoptedIds: readonly string[]
  /** By which the records that are appended end: see `timelyRecord`. */
  readonly clock = new LedgerClock()
  readonly #options: SpoolOptions
  readonly #folder: SpoolFolder
  readonly #encoder: UsageEncoder
  readonly #log: GatewayLog
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
  /** Of the last record. */
  #sequence = 0

  /** Unshipped records that are on disk too, oldest first, unless they are to be read `#fromDisk`. */
  #queue: Waiting[] = []
  #fromDisk = false
  /** The runs of shipped segments, by path, that may still be on disk: found there, their records come again. */
  readonly #undeleted = new Map<string, string | null>()
  /** In the first segment: where the first unshipped record is, or what comes before it. */
  #shippedTo = 0
  readonly #out = new BatchesOut()
  readonly #unsafe: UnsafeRecords<Waiting>
  /** The last batch that was taken was of unsafe records: it is the turn of those on disk, which are older. */
  #tookUnsafe = true

  /** Requests in flight: not yet written, and with the segment that says so. */
  readonly #newlyOpen = new Roster<OpenRequest>()
  readonly #openIn = new Map<string, { readonly request: OpenRequest; readonly segment: Segment }>()

  /** Unshipped records on disk. */
  #safe = 0
  readonly #losses = new LossBook()
  readonly #note: DeathNoteFile
  #isFailing = false
  #complainedAtMs = -Infinity
  readonly #timer: NodeJS.Timeout
  /** What was shipped too late to be noted comes again from disk. */
  #isClosed = false

  constructor(options: SpoolOptions, folder: SpoolFolder) {
    this.id = folder.id
    this.adoptedIds = folder.adoptedIds
    this.#options = options
    this.#folder = folder
    this.#encoder = options.encoder
    this.#log = options.log
    this.#maxSegmentBytes = options.maxSegmentBytes ?? 32 * 1024 ** 2
    this.#maxInMemory = options.maxInMemory ?? 8192
    this.#unsafe = new UnsafeRecords(this.#maxInMemory)
    this.#note = new DeathNoteFile(notePath(folder.path))
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
  }

  #enterTick(record: UsageRecord): void {
    const { about, line } = this.#encoder.encode(record)
    const sequence = ++this.#sequence
    this.#tick.push({ id: record.id, about, line, endMs: endedAtMs(record), sequence, segment: null, end: 0 })
    // All requests that end in this turn of the event loop share one write.
    if (this.#tick.length === 1) writeRecords.add(this)
  }

  /** Writes what has ended in this turn. */
  flush(): void {
    const [waiting, written] = [this.#tick, this.#written]
    if (waiting.length === 0) return
    this.#tick = []
    this.#written = []
    if (!this.#writeRecords(waiting)) this.#keepUnsafe(waiting)
    for (const tell of written) this.#tell(tell)
  }

  /** False: they could not be written. */
  #writeRecords(waiting: readonly Waiting[]): boolean {
    const segment = this.#write((frames, into) => addRecords(frames, into, waiting))
    if (!segment) return false
    for (const one of waiting) {
      one.segment = segment
      segment.count(one.endMs)
      this.#enqueue(one)
    }
    return true
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
      const maxBytes = this.#options.maxBytes ?? 16 * 1024 ** 3
      if (this.#bytes + frames.length > maxBytes) throw new Error(`the spool has its ${maxBytes} bytes`)
      segment.append(frames.bytes())
      // The write has set the file's time to that of a clock which is wrong.
      if (this.clock.lagMs() !== 0) segment.touch(this.clock.now())
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
    const segment = new Segment(segmentPath(this.#folder.path, this.#nextNumber, this.runId), this.runId)
    this.#nextNumber++
    active?.sync((error) => this.#complain(error, 'a segment of the spool could not be synced'))
    this.#segments.push(segment)
    this.#active = segment
    return segment
  }

  /** What is on disk may leave memory: if too many wait, all are read again when it is their turn. */
  #enqueue(one: Waiting): void {
    this.#safe++
    if (this.#fromDisk) return
    if (this.#queue.length < this.#maxInMemory) {
      this.#queue.push(one)
      return
    }
    this.#fromDisk = true
    this.#queue = []
  }

  #keepUnsafe(waiting: readonly Waiting[]): void {
    for (const one of waiting) if (!this.#unsafe.add(one)) this.#lose(one.endMs, 1)
    this.#writeNote()
  }

  /** Writes what could not be written before, as long as the disk takes it: one record first, since a full disk is asked ten times a second. */
  #rescue(): void {
    if (this.#unsafe.size === 0) return
    for (let count = 1; this.#unsafe.size > 0;) {
      const records = this.#unsafe.oldest(count)
      if (this.#writeRecords(records)) {
        this.#unsafe.drop(records)
        count = Math.min(count * 2, maxRescued)
      } else if (count > 1) count = 1
      else break
    }
    this.#writeNote()
  }

  #lose(endMs: number, count: number): void {
    this.#losses.add(this.runId, endMs, count)
    this.#complain(undefined, 'usage records are lost: neither disk nor database takes them')
  }

  /** Of what would not survive this process. */
  #writeNote(): void {
    const unsafe = this.#unsafe.size
    try {
      const unsafeEndMs = unsafe > 0 ? this.#unsafe.firstEndMs() : 0
      this.#note.write({ runId: this.runId, unsafe, unsafeEndMs, losses: this.#losses.untold() })
    } catch (error) {
      this.#complain(error, 'what is in memory alone could not be noted: after a crash nobody would know of it')
    }
  }

  #complain(error: unknown, message: string): void {
    if (monotonicMs() - this.#complainedAtMs < complaintMs) return
    this.#complainedAtMs = monotonicMs()
    this.#log.error({ err: error, lost: this.#losses.total, pending: this.#pending }, message)
  }

  // ── what is shipped ──

  get #pending(): number {
    return this.#safe + this.#unsafe.size
  }

  /** Records that are neither shipped nor on their way. */
  get untaken(): number {
    return this.#safe - this.#out.records + this.#unsafe.waiting
  }

  /** Records that are not on their way: what only memory has takes turns with the others. Null if there are none, or none yet. */
  take(maxRecords: number): SpoolBatch | null {
    if (this.#isClosed) return null
    return this.#tookUnsafe
      ? (this.#takeSafe(maxRecords) ?? this.#takeUnsafe(maxRecords))
      : (this.#takeUnsafe(maxRecords) ?? this.#takeSafe(maxRecords))
  }

  #takeUnsafe(maxRecords: number): SpoolBatch | null {
    const batch = this.#unsafe.take(maxRecords, this.runId, () => this.#isClosed || this.#writeNote())
    if (!batch) return null
    this.#tookUnsafe = true
    return { ...batch, isLast: this.untaken === 0 }
  }

  #takeSafe(maxRecords: number): SpoolBatch | null {
    this.#tookUnsafe = false
    return this.#fromDisk ? this.#takeFromDisk(maxRecords) : this.#takeFromMemory(maxRecords)
  }

  #takeFromMemory(maxRecords: number): SpoolBatch | null {
    const start = this.#out.records
    const taken = this.#queue.slice(start, start + maxRecords)
    if (taken.length === 0) return null
    const isLast = start + taken.length === this.#queue.length && this.#unsafe.waiting === 0
    return this.#out.add({ records: taken, runId: this.runId, end: null, isLast }, () => {
      if (this.#isClosed) return
      this.#safe -= taken.length
      if (!this.#fromDisk) this.#queue.splice(0, taken.length)
      for (const { segment, end } of taken) if (segment) this.#shipped(segment, 1, end)
    })
  }

  #takeFromDisk(maxRecords: number): SpoolBatch | null {
    const segment = this.#segments[0]
    // What was taken from memory is on disk too: it has to be noted there first.
    if (this.#out.size > 0 && this.#out.end === null) return null
    if (!segment) return this.#returnToMemory()
    const { records, end } = segment.readRecords(this.#out.end ?? this.#shippedTo, maxRecords)
    if (records.length > 0) {
      // Whether it is, the next take finds out, and goes back to memory.
      return this.#out.add({ records, runId: segment.runId, end, isLast: false }, () => {
        if (this.#isClosed) return
        this.#safe -= records.length
        this.#shipped(segment, records.length, end)
      })
    }
    if (this.#out.size > 0) return null
    this.#giveUpRest(segment)
    if (this.#segments.length === 1) return this.#returnToMemory()
    this.#drop(segment)
    return this.#takeFromDisk(maxRecords)
  }

  /** All that is on disk has been shipped. */
  #returnToMemory(): null {
    this.#fromDisk = false
    return null
  }

  /** The disk changed what it had taken: of these records nothing can be read any more. */
  #giveUpRest(segment: Segment): void {
    const count = segment.records - segment.shipped
    this.#safe -= count
    segment.shipped = segment.records
    if (count === 0) return
    this.#lose(segment.firstEndMs, count)
    this.#writeNote()
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
    this.#giveUpRest(segment)
    this.#bytes -= segment.bytes
    segment.close()
    this.#undeleted.set(segment.path, segment.runId)
    unlink(segment.path, (error) => {
      if (error) this.#complain(error, 'a shipped segment of the spool could not be deleted')
      else this.#undeleted.delete(segment.path)
    })
  }

  /** It is known that the records of the adopted are this spool's. */
  forgetAdopted(): void {
    this.#folder.forgetAdopted()
  }

  /** What the losses would be if this record were lost too: for who has to write that down before it is so. */
  lossesWith(record: SpooledRecord): readonly Loss[] {
    const book = new LossBook()
    for (const loss of this.#losses.untold()) book.inherit(loss)
    book.add(this.runId, record.endMs, 1)
    return book.untold()
  }

  /** A record that was taken can be stored nowhere. */
  countRefused(record: SpooledRecord): void {
    this.#losses.add(this.runId, record.endMs, 1)
    if (!this.#isClosed) this.#writeNote()
  }

  /** The database knows of these losses; and what time it is (milliseconds since the epoch), when it was asked at `askedAtMs` (`monotonicMs`). */
  noteReported(losses: readonly Loss[], databaseMs: number, askedAtMs: number): void {
    this.clock.follow(databaseMs, askedAtMs)
    if (losses.length === 0 || this.#isClosed) return
    this.#losses.told(losses)
    this.#writeNote()
  }

  // ── what happens in the background ──

  #group(): void {
    this.#rescue()
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
    const segment = this.#write((frames) => addOpen(frames, requests, this.clock))
    if (!segment) return false
    for (const request of requests) {
      this.#newlyOpen.delete(request)
      this.#openIn.set(request.id, { request, segment })
    }
    return true
  }

  /** Also tells the file that this process was alive now: see `#recover`. */
  state(): SpoolState {
    if (!this.#isClosed) this.#segments.at(-1)?.touch(this.clock.now())
    return {
      completeUntilMs: this.#completeUntilMs(),
      pending: this.#pending + this.#tick.length,
      unsafe: this.#unsafe.size,
      lost: this.#losses.total,
      losses: this.#losses.untold(),
      runIds: this.#listRunIds(),
      bytes: this.#bytes,
    }
  }

  #listRunIds(): string[] {
    const runIds = [...this.#segments.map(({ runId }) => runId), ...this.#undeleted.values()]
    return [...new Set([this.runId, ...runIds.filter((runId) => runId !== null)])]
  }

  #completeUntilMs(): number {
    let until = Math.min(this.clock.now() - toleranceMs, this.#unsafe.firstEndMs())
    for (const { endMs } of this.#tick) until = Math.min(until, endMs)
    for (const { endMs } of this.#queue) until = Math.min(until, endMs)
    if (this.#fromDisk) {
      for (const segment of this.#segments) if (!segment.isShipped) until = Math.min(until, segment.firstEndMs)
    }
    return until
  }

  // ── begin and end ──

  #recover(): void {
    const open = new Map<string, RequestStart>()
    let lastAliveMs = 0
    // What began in an adopted folder may have got its record in this one: those come first.
    for (const part of this.#folder.parts) {
      this.#inheritNote(part)
      let modifiedAtMs = 0
      for (const { number, runId, path } of listSegments(part)) {
        if (part === this.#folder.path) this.#nextNumber = number + 1
        const segment = new Segment(path, runId)
        modifiedAtMs = segment.modifiedAtMs()
        this.#recoverSegment(segment, open)
        lastAliveMs = Math.max(lastAliveMs, segment.lastInstantMs)
      }
      // Of the last one: the others were not touched any more.
      lastAliveMs = Math.max(lastAliveMs, modifiedAtMs)
    }
    // They are shipped behind its own.
    const isAdopted = ({ path }: Segment) => (dirname(path) === this.#folder.path ? 0 : 1)
    this.#segments.sort((a, b) => isAdopted(a) - isAdopted(b))
    this.#fromDisk = this.#safe > 0
    this.#prepareNote()
    this.#appendAbandoned([...open.values()], lastAliveMs)
    if (this.#pending > 0) this.#log.info({ records: this.#pending, abandoned: open.size }, 'the spool was recovered')
  }

  #recoverSegment(segment: Segment, open: Map<string, RequestStart>): void {
    const { path } = segment
    const { tornBytes, damagedBytes, lostRecords } = segment.recover({
      onFrame: (frame: Frame) => {
        if (frame.kind === 'open') open.set(frame.id, JSON.parse(frame.text()) as RequestStart)
        else open.delete(frame.id)
      },
      onDamaged: (id) => open.delete(id),
    })
    if (tornBytes > 0) this.#log.warn({ path, bytes: tornBytes }, 'a torn end of a spool segment was cut off')
    if (damagedBytes > 0) {
      const fields = { path, bytes: damagedBytes, lost: lostRecords }
      this.#log.error(fields, 'a spool segment is damaged: the usage records there are lost, the others are kept')
    }
    // Named after the file: whoever recovers it again counts the same.
    const source = `damaged:${segment.runId ?? this.id}:${basename(path)}`
    this.#losses.find(source, Math.min(segment.firstEndMs, segment.modifiedAtMs()), lostRecords)
    this.#segments.push(segment)
    this.#bytes += segment.bytes
    this.#safe += segment.records
  }

  /** What was in an earlier process's memory alone died with it. */
  #inheritNote(part: string): void {
    using file = new DeathNoteFile(notePath(part))
    const note = file.read()
    if (!note) return
    for (const loss of note.losses) this.#losses.inherit(loss)
    if (note.unsafe === 0) return
    this.#losses.find(`died:${note.runId}`, note.unsafeEndMs, note.unsafe)
    this.#complain(undefined, 'usage records are lost: an earlier process died with them in memory, the disk was full')
  }

  /** While there is room: later it may be needed because there is none. */
  #prepareNote(): void {
    try {
      this.#note.prepare()
      this.#writeNote()
    } catch (error) {
      this.#complain(
        error,
        'the spool has no room for a note: after a crash nobody would know what was in memory alone',
      )
    }
  }

  #appendAbandoned(requests: readonly RequestStart[], lastAliveMs: number): void {
    if (requests.length === 0) return
    for (const request of requests) this.#enterTick(abandonedRecord(request, lastAliveMs))
    this.#fromDisk = true
    this.flush()
  }

  /**
   * Writes what is left and lets the folder go. What is not shipped waits for the next process, which is told of what could not be
   * written either.
   */
  [Symbol.dispose](): void {
    if (this.#isClosed) return
    clearInterval(this.#timer)
    this.flush()
    this.secure()
    this.#writeOpen()
    this.#isClosed = true
    this.#writeNote()
    this.#note[Symbol.dispose]()
    for (const segment of this.#segments) segment.close()
    if (this.#pending === 0 && this.#openIn.size === 0) {
      for (const segment of this.#segments) unlink(segment.path, () => undefined)
    }
    this.#folder.release()
  }

  /** Tries to write all that is not on disk; returns how many could not be written. */
  secure(): number {
    this.#rescue()
    return this.#unsafe.size
  }
}

/** In a folder of the spool. */
function notePath(folder: string): string {
  return join(folder, 'unsafe')
}

/** Behind what they are about, unless the segment has that. Notes where each frame ends; returns the abouts that were added. */
function addRecords(frames: FrameBuffer, into: Segment, waiting: readonly Waiting[]): readonly UsageAbout[] {
  const added: UsageAbout[] = []
  for (const one of waiting) {
    const { id, about, line, endMs, sequence } = one
    if (!into.abouts.has(about.number) && !added.includes(about)) {
      added.push(about)
      const head = { kind: 'about', id: '', instantMs: 0, about: about.number, sequence: 0 } as const
      frames.add(head, about.text)
      // Twice: of one copy a single damaged byte would cost all records that refer to it.
      frames.add(head, about.text)
    }
    frames.add({ kind: 'record', id, instantMs: endMs, about: about.number, sequence }, line)
    one.end = into.bytes + frames.length
  }
  return added
}

/** With the times of the ledger, since nobody can tell later how wrong this machine's clock was. */
function addOpen(frames: FrameBuffer, requests: readonly OpenRequest[], clock: LedgerClock): readonly UsageAbout[] {
  const lagMs = clock.lagMs()
  for (const request of requests) {
    const startedAtMs = lagMs === 0 ? request.startedAtMs : Math.min(request.startedAtMs + lagMs, clock.now())
    const head = { kind: 'open', id: request.id, instantMs: startedAtMs, about: 0, sequence: 0 } as const
    frames.add(head, JSON.stringify({ ...request.start(), startedAtMs }))
  }
  return []
}
