import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import type { RecordLoss } from './loss-ledger.ts'

/** Losses that this process could not report, for the next process with this folder. */
export interface CrashReport {
  readonly runId: string
  /** Records that are in memory alone, and when the first of their requests ended. */
  readonly unsafe: number
  readonly unsafeEndMs: number
  /** Lost records that were not reported to the database yet. */
  readonly losses: readonly RecordLoss[]
}

const noteBytes = 4096
/** As many as surely fit. */
const maxLosses = 24

/**
 * A file whose room was taken when the disk had some, and that is overwritten in place: so it can be written when the disk is full. That is
 * when records are in memory alone, and after `kill -9` somebody has to know that there were some.
 */
export class CrashReportFile implements Disposable {
  readonly #path: string
  #descriptor: number | null = null
  #written = ''

  constructor(path: string) {
    this.#path = path
  }

  /** What an earlier process left; null: nothing. */
  read(): CrashReport | null {
    try {
      const text = readFileSync(this.#path, 'utf8').trim()
      return text === '' ? null : (JSON.parse(text) as CrashReport)
    } catch {
      // There is none, or a machine died while it was written.
      return null
    }
  }

  /** Throws what the file system says. */
  write(note: CrashReport): void {
    const text = isEmpty(note) ? '' : JSON.stringify({ ...note, losses: shorten(note.losses) })
    if (this.#descriptor !== null && text === this.#written) return
    this.#descriptor ??= openSync(this.#path, 'r+')
    writeSync(this.#descriptor, text.padEnd(noteBytes), 0)
    this.#written = text
  }

  /** Reserves disk space for later notes and keeps existing ones. Throws the file system's error. */
  prepare(): void {
    const descriptor = openSync(this.#path, 'a+', 0o600)
    try {
      const missing = noteBytes - readFileSync(descriptor).length
      if (missing > 0) writeSync(descriptor, ' '.repeat(missing))
    } finally {
      closeSync(descriptor)
    }
  }

  [Symbol.dispose](): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor)
    this.#descriptor = null
  }
}

function isEmpty({ unsafe, losses }: CrashReport): boolean {
  return unsafe === 0 && losses.length === 0
}

/** What does not fit is counted with the last that does: the number stays right. */
function shorten(losses: readonly RecordLoss[]): readonly RecordLoss[] {
  if (losses.length <= maxLosses) return losses
  const last = losses[maxLosses - 1]!
  const requests = losses.slice(maxLosses - 1).reduce((sum, loss) => sum + loss.requests, 0)
  return [...losses.slice(0, maxLosses - 1), { ...last, requests }]
}
