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
import { join } from 'node:path'
import type { UsageAttributes, UsageEncoder } from '../../routing/usage/entry.ts'
import { endedAtMs, type UsageRecord } from '../../routing/usage/record.ts'
import { guarded } from '../loop/guarded.ts'
import { writeRecords } from '../loop/phases.ts'
import type { GatewayLog, OpenRequest, RequestStart, UsageSink } from '../ports.ts'
import { abandonedRecord } from './abandoned-record.ts'
import type { SpoolBatch, SpooledRecord } from './batches-in-flight.ts'
import { SpoolErrorLog } from './spool-error-log.ts'
import { CrashReportFile } from './crash-report.ts'
import type { FrameBuffer } from './frame.ts'
import { LedgerClock, toleranceMs } from './ledger-clock.ts'
import { type RecordLoss, LossLedger } from './loss-ledger.ts'
import { OpenRequests } from './open-requests.ts'
import { recoverSegments } from './recovery.ts'
import { SafeRecords, type WaitingRecord } from './safe-records.ts'
import type { Segment } from './segment.ts'
import { type AddFrames, SegmentChain } from './segment-chain.ts'
import { type SpoolFolder, takeSpoolFolder } from './spool-folder.ts'
import { UnsafeRecords } from './unsafe-records.ts'

export interface SpoolOptions {
  /** Made if it is not there. Processes that share it take one folder in it each. */
  readonly root: string
  /** The encoder of the store that takes the records. */
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
  readonly losses: readonly RecordLoss[]
  /** The processes whose records may still come from here. */
  readonly runIds: readonly string[]
  readonly bytes: number
}

const groupMs = 100
/** An active segment of this size that has been shipped to its end makes room. */
const idleSegmentBytes = 1024 * 1024
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
  readonly #folder: SpoolFolder
  readonly #encoder: UsageEncoder
  readonly #log: GatewayLog
  readonly #chain: SegmentChain

  /** Of this turn of the event loop, to be written at its end. */
  #turn: WaitingRecord[] = []
  /** Apart from what waits: it holds all that its request needed, and would keep that until the record is shipped. */
  #written: (() => void)[] = []
  /** Of the last record. */
  #sequence = 0

  readonly #safe: SafeRecords
  readonly #unsafe: UnsafeRecords<WaitingRecord>
  /** The last batch that was taken was of unsafe records: it is the turn of those on disk, which are older. */
  #tookUnsafe = true
  readonly #open = new OpenRequests()

  readonly #losses = new LossLedger()
  readonly #note: CrashReportFile
  readonly #errorLog: SpoolErrorLog
  #isFailing = false
  readonly #timer: NodeJS.Timeout
  #isClosed = false

  constructor(options: SpoolOptions, folder: SpoolFolder) {
    this.id = folder.id
    this.adoptedIds = folder.adoptedIds
    this.#folder = folder
    this.#encoder = options.encoder
    this.#log = options.log
    this.#errorLog = new SpoolErrorLog(options.log, () => ({ lost: this.#losses.total, pending: this.#pending }))
    const maxInMemory = options.maxInMemory ?? 8192
    this.#unsafe = new UnsafeRecords(maxInMemory)
    this.#chain = this.#createChain(options)
    this.#safe = new SafeRecords({
      chain: this.#chain,
      runId: this.runId,
      maxInMemory,
      lose: (endMs, count) => this.#loseUnreadable(endMs, count),
      drop: (segment) => this.#drop(segment),
    })
    this.#note = new CrashReportFile(notePath(folder.path))
    this.#recover()
    const failed = (error: unknown) => this.#complain(error, 'the spool failed in its regular work')
    this.#timer = setInterval(
      guarded(() => this.#group(), failed),
      groupMs,
    )
    this.#timer.unref()
  }

  #createChain(options: SpoolOptions): SegmentChain {
    return new SegmentChain({
      folderPath: this.#folder.path,
      runId: this.runId,
      clock: this.clock,
      maxBytes: () => options.maxBytes ?? 16 * 1024 ** 3,
      maxSegmentBytes: options.maxSegmentBytes ?? 32 * 1024 ** 2,
      complain: (error, message) => this.#complain(error, message),
    })
  }

  // ── what the gateway says ──

  open(request: OpenRequest): void {
    this.#open.add(request)
  }

  append(record: UsageRecord, opened: OpenRequest | null, written: () => void): void {
    if (opened) this.#open.delete(opened)
    this.#enterTurn(record)
    this.#written.push(written)
  }

  #enterTurn(record: UsageRecord): void {
    const { about, line } = this.#encoder.encode(record)
    const sequence = ++this.#sequence
    this.#turn.push({ id: record.id, about, line, endMs: endedAtMs(record), sequence, segment: null, end: 0 })
    // All requests that end in this turn of the event loop share one write.
    if (this.#turn.length === 1) writeRecords.add(this)
  }

  /** Writes what has ended in this turn. */
  flush(): void {
    const [waiting, written] = [this.#turn, this.#written]
    if (waiting.length === 0) return
    this.#turn = []
    this.#written = []
    if (!this.#writeRecords(waiting)) this.#keepUnsafe(waiting)
    for (const tell of written) this.#tell(tell)
  }

  /** False: they could not be written. */
  #writeRecords(waiting: readonly WaitingRecord[]): boolean {
    const segment = this.#write((frames, into) => addRecords(frames, into, waiting))
    if (!segment) return false
    for (const record of waiting) {
      record.segment = segment
      segment.count(record.endMs)
      this.#safe.add(record)
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

  /** Writes frames; null if that failed, which has been said. */
  #write(add: AddFrames): Segment | null {
    try {
      const segment = this.#chain.append(add)
      if (this.#isFailing) this.#log.info({ pending: this.#pending }, 'the spool is written again')
      this.#isFailing = false
      return segment
    } catch (error) {
      this.#isFailing = true
      this.#complain(error, 'the spool cannot be written: usage records are kept in memory only')
      return null
    }
  }

  #keepUnsafe(waiting: readonly WaitingRecord[]): void {
    for (const record of waiting) if (!this.#unsafe.add(record)) this.#lose(record.endMs, 1)
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

  #loseUnreadable(endMs: number, count: number): void {
    this.#lose(endMs, count)
    this.#writeNote()
  }

  /** Of what would not survive this process. */
  #writeNote(): void {
    const unsafe = this.#unsafe.size
    try {
      const unsafeEndMs = unsafe > 0 ? this.#unsafe.firstEndMs() : 0
      this.#note.write({ runId: this.runId, unsafe, unsafeEndMs, losses: this.#losses.unreported() })
    } catch (error) {
      this.#complain(error, 'what is in memory alone could not be noted: after a crash nobody would know of it')
    }
  }

  #complain(error: unknown, message: string): void {
    this.#errorLog.add(error, message)
  }

  // ── what is shipped ──

  get #pending(): number {
    return this.#safe.size + this.#unsafe.size
  }

  /** Records that are neither shipped nor on their way. */
  get untaken(): number {
    return this.#safe.waiting + this.#unsafe.waiting
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
    return this.#safe.take(maxRecords, this.#unsafe.waiting > 0)
  }

  /** The first segment's records are in the database. What it says of requests in flight is said again before it goes. */
  #drop(segment: Segment): void {
    this.#chain.shift()
    this.#safe.beginSegment()
    this.#open.unmark(segment)
    if (!this.#markOpen()) {
      // Those requests lose their mark, and nothing else: keeping the segment would fill the disk for good.
      this.#complain(undefined, 'the spool cannot be written: requests in flight would not be found after a crash')
    }
    this.#safe.giveUpRest(segment)
    this.#chain.delete(segment)
  }

  /** It is known that the records of the adopted are this spool's. */
  forgetAdopted(): void {
    this.#folder.forgetAdopted()
  }

  /** What the losses would be if this record were lost too: for who has to write that down before it is so. */
  lossesWith(record: SpooledRecord): readonly RecordLoss[] {
    const ledger = new LossLedger()
    for (const loss of this.#losses.unreported()) ledger.inherit(loss)
    ledger.add(this.runId, record.endMs, 1)
    return ledger.unreported()
  }

  /** A record that was taken can be stored nowhere. */
  countRefused(record: SpooledRecord): void {
    this.#losses.add(this.runId, record.endMs, 1)
    if (!this.#isClosed) this.#writeNote()
  }

  /** The database knows of these losses; and what time it is (milliseconds since the epoch), when it was asked at `askedAtMs` (`monotonicMs`). */
  noteReported(losses: readonly RecordLoss[], databaseMs: number, askedAtMs: number): void {
    this.clock.follow(databaseMs, askedAtMs)
    if (losses.length === 0 || this.#isClosed) return
    this.#losses.noteReported(losses)
    this.#writeNote()
  }

  // ── what happens in the background ──

  #group(): void {
    this.#rescue()
    this.#markOpen()
    this.#chain.sync()
    if (!this.#safe.isAnyOut) this.#makeRoom()
  }

  /** What has been shipped to its end goes; the segment that is being written, only if it is worth it. */
  #makeRoom(): void {
    for (const segment of this.#chain.list()) {
      if (!segment.isShipped || (this.#chain.isWritten(segment) && segment.bytes < idleSegmentBytes)) return
      this.#drop(segment)
    }
  }

  #markOpen(): boolean {
    if (!this.#open.isAnyUnmarked) return true
    this.flush()
    return this.#open.mark((add) => this.#write(add), this.clock)
  }

  /** Also tells the file that this process was alive now: see `recoverSegments`. */
  state(): SpoolState {
    if (!this.#isClosed) this.#chain.touch()
    return {
      completeUntilMs: this.#completeUntilMs(),
      pending: this.#pending + this.#turn.length,
      unsafe: this.#unsafe.size,
      lost: this.#losses.total,
      losses: this.#losses.unreported(),
      runIds: this.#chain.listRunIds(),
      bytes: this.#chain.bytes,
    }
  }

  #completeUntilMs(): number {
    let until = Math.min(this.clock.now() - toleranceMs, this.#unsafe.firstEndMs(), this.#safe.firstEndMs())
    for (const { endMs } of this.#turn) until = Math.min(until, endMs)
    return until
  }

  // ── begin and end ──

  #recover(): void {
    const { records, open, lastAliveMs } = recoverSegments({
      folder: this.#folder,
      chain: this.#chain,
      losses: this.#losses,
      log: this.#log,
      inheritNote: (part) => this.#inheritNote(part),
    })
    this.#safe.addRecovered(records)
    if (records > 0) this.#safe.readFromDisk()
    this.#prepareNote()
    this.#appendAbandoned(open, lastAliveMs)
    if (this.#pending > 0) this.#log.info({ records: this.#pending, abandoned: open.length }, 'the spool was recovered')
  }

  /** What was in an earlier process's memory alone died with it. */
  #inheritNote(part: string): void {
    using file = new CrashReportFile(notePath(part))
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
    for (const request of requests) this.#enterTurn(abandonedRecord(request, lastAliveMs))
    this.#safe.readFromDisk()
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
    this.#markOpen()
    this.#isClosed = true
    this.#safe.close()
    this.#writeNote()
    this.#note[Symbol.dispose]()
    this.#chain.close()
    if (this.#pending === 0 && !this.#open.isAnyMarked) this.#chain.deleteFiles()
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
function addRecords(frames: FrameBuffer, into: Segment, waiting: readonly WaitingRecord[]): readonly UsageAttributes[] {
  const added: UsageAttributes[] = []
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
