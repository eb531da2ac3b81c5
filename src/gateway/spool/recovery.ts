import { basename, dirname } from 'node:path'
import type { GatewayLog, RequestStart } from '../ports.ts'
import type { Frame } from './frame.ts'
import type { LossLedger } from './loss-ledger.ts'
import { Segment } from './segment.ts'
import type { SegmentChain } from './segment-chain.ts'
import { listSegments, type SpoolFolder } from './spool-folder.ts'

export interface RecoveryOptions {
  readonly folder: SpoolFolder
  readonly chain: SegmentChain
  readonly losses: LossLedger
  readonly log: GatewayLog
  /** Called for each part before its segments are read: the note that an earlier process left there. */
  readonly inheritNote: (part: string) => void
}

/** What earlier processes left. */
export interface RecoveredState {
  readonly records: number
  /** Requests that had begun, and of which nothing says that they ended. */
  readonly open: readonly RequestStart[]
  /** When the last of the processes was alive, as far as files tell; milliseconds since the epoch. */
  readonly lastAliveMs: number
}

/** Reads all segments of a folder and of those that it adopted into the chain. */
export function recoverSegments(options: RecoveryOptions): RecoveredState {
  const { folder, chain, inheritNote } = options
  const open = new Map<string, RequestStart>()
  let lastAliveMs = 0
  // What began in an adopted folder may have got its record in this one: those come first.
  for (const part of folder.parts) {
    inheritNote(part)
    let modifiedAtMs = 0
    for (const { number, runId, path } of listSegments(part)) {
      const segment = new Segment(path, runId)
      modifiedAtMs = segment.modifiedAtMs()
      recoverSegment(segment, open, options)
      chain.adopt(segment, part === folder.path ? number : null)
      lastAliveMs = Math.max(lastAliveMs, segment.lastInstantMs)
    }
    // Of the last one: the others were not touched any more.
    lastAliveMs = Math.max(lastAliveMs, modifiedAtMs)
  }
  chain.putFirst(({ path }) => dirname(path) === folder.path)
  const records = chain.list().reduce((sum, segment) => sum + segment.records, 0)
  return { records, open: [...open.values()], lastAliveMs }
}

function recoverSegment(segment: Segment, open: Map<string, RequestStart>, options: RecoveryOptions): void {
  const { folder, losses, log } = options
  const { path } = segment
  const { tornBytes, damagedBytes, lostRecords } = segment.recover({
    onFrame: (frame: Frame) => {
      if (frame.kind === 'open') open.set(frame.id, JSON.parse(frame.text()) as RequestStart)
      else open.delete(frame.id)
    },
    onDamaged: (id) => open.delete(id),
  })
  if (tornBytes > 0) log.warn({ path, bytes: tornBytes }, 'a torn end of a spool segment was cut off')
  if (damagedBytes > 0) {
    const fields = { path, bytes: damagedBytes, lost: lostRecords }
    log.error(fields, 'a spool segment is damaged: the usage records there are lost, the others are kept')
  }
  // Named after the file, so that a repeated recovery counts the same losses.
  const source = `damaged:${segment.runId ?? folder.id}:${basename(path)}`
  losses.find(source, Math.min(segment.firstEndMs, segment.modifiedAtMs()), lostRecords)
}
