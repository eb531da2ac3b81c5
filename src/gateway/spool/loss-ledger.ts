/** Requests whose records are lost. */
export interface RecordLoss {
  /** What counted them. Of one source and minute the greatest count is right: so it can be told any number of times. */
  readonly source: string
  /** The minute in which the requests ended, as far as that is known; milliseconds since the epoch. */
  readonly minuteMs: number
  readonly requests: number
}

const minuteMs = 60_000
/** Minutes for two days of continuous losses; later losses count in the last minute. */
const maxEntries = 4_096

/** What was lost, by minute, until the database knows of it. */
export class LossLedger {
  /** Since the process began. */
  total = 0
  readonly #losses = new Map<string, RecordLoss>()
  readonly #unreported = new Set<string>()

  /** Of requests that ended about `endMs`. */
  add(source: string, endMs: number, requests: number): void {
    if (requests <= 0) return
    this.total += requests
    const key = this.#keyOf(source, endMs)
    const known = this.#losses.get(key)
    const minute = known?.minuteMs ?? floorToMinute(endMs)
    this.#put(key, { source, minuteMs: minute, requests: (known?.requests ?? 0) + requests })
  }

  /** All that a source has lost, found at once; if an earlier process found the same, it is the same. */
  find(source: string, endMs: number, requests: number): void {
    if (requests <= 0) return
    this.total += requests
    this.inherit({ source, minuteMs: floorToMinute(endMs), requests })
  }

  /** What an earlier process counted and could not tell. It is no loss of this one. */
  inherit(loss: RecordLoss): void {
    this.#put(`${loss.source} ${loss.minuteMs}`, loss)
  }

  /** Losses that were not reported to the database. */
  unreported(): RecordLoss[] {
    return [...this.#unreported].map((key) => this.#losses.get(key)!)
  }

  /** Marks these losses as reported; losses that were added meanwhile remain. */
  noteReported(losses: readonly RecordLoss[]): void {
    for (const loss of losses) {
      const key = `${loss.source} ${loss.minuteMs}`
      if (this.#losses.get(key) === loss) this.#unreported.delete(key)
    }
  }

  #put(key: string, loss: RecordLoss): void {
    this.#losses.set(key, loss)
    this.#unreported.add(key)
  }

  #keyOf(source: string, endMs: number): string {
    const key = `${source} ${floorToMinute(endMs)}`
    if (this.#losses.has(key) || this.#losses.size < maxEntries) return key
    const ofSource = [...this.#losses.keys()].filter((known) => known.startsWith(`${source} `))
    return ofSource.at(-1) ?? key
  }
}

function floorToMinute(instantMs: number): number {
  return Math.floor(instantMs / minuteMs) * minuteMs
}
