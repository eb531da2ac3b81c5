/** The memory that all request bodies may hold at once. The bounds are checked while bodies grow, because `content-length` may be wrong. */
export interface BodyLimits {
  /** In memory, in bytes. */
  readonly maxHeldBytes: number
  /** On disk, in bytes. */
  readonly maxSpooledBytes: number
  /** Bodies that are on their way in. */
  readonly maxReceiving: number
}

/** Callers without a key together get one part in this many of each bound, so that they never starve callers with a key. */
const anonymousPart = 32

/** Those of one kind of caller. */
interface Account {
  memoryBytes: number
  diskBytes: number
  receiving: number
}

export class BodyBudget {
  readonly #limits: BodyLimits
  readonly #anonymousLimits: BodyLimits
  readonly #all: Account = { memoryBytes: 0, diskBytes: 0, receiving: 0 }
  readonly #anonymous: Account = { memoryBytes: 0, diskBytes: 0, receiving: 0 }

  constructor(limits: BodyLimits) {
    this.#limits = limits
    this.#anonymousLimits = {
      maxHeldBytes: Math.ceil(limits.maxHeldBytes / anonymousPart),
      maxSpooledBytes: Math.ceil(limits.maxSpooledBytes / anonymousPart),
      maxReceiving: Math.ceil(limits.maxReceiving / anonymousPart),
    }
  }

  /** Bytes in memory. */
  get heldBytes(): number {
    return this.#all.memoryBytes
  }

  /** Bytes on disk. */
  get spooledBytes(): number {
    return this.#all.diskBytes
  }

  /** What one body may hold at all. */
  limitsFor(isAnonymous: boolean): BodyLimits {
    return isAnonymous ? this.#anonymousLimits : this.#limits
  }

  /** The part of a body that is about to come; null: there are too many of them. */
  open(isAnonymous: boolean): BodyShare | null {
    if (this.#all.receiving >= this.#limits.maxReceiving) return null
    if (isAnonymous && this.#anonymous.receiving >= this.#anonymousLimits.maxReceiving) return null
    this.count('receiving', 1, isAnonymous)
    return new BodyShare(this, isAnonymous)
  }

  /** Whether there is room for so much more. */
  hasRoom(kind: 'memoryBytes' | 'diskBytes', bytes: number, isAnonymous: boolean): boolean {
    const limit = kind === 'memoryBytes' ? 'maxHeldBytes' : 'maxSpooledBytes'
    if (this.#all[kind] + bytes > this.#limits[limit]) return false
    return !isAnonymous || this.#anonymous[kind] + bytes <= this.#anonymousLimits[limit]
  }

  count(kind: keyof Account, change: number, isAnonymous: boolean): void {
    this.#all[kind] += change
    if (isAnonymous) this.#anonymous[kind] += change
  }
}

/** What one body holds of the budget. */
export class BodyShare implements Disposable {
  readonly isAnonymous: boolean
  readonly #budget: BodyBudget
  #memoryBytes = 0
  #diskBytes = 0
  #isReceiving = true

  constructor(budget: BodyBudget, isAnonymous: boolean) {
    this.#budget = budget
    this.isAnonymous = isAnonymous
  }

  /** Takes so much more memory. False: there is no room, and nothing was taken. */
  hold(bytes: number): boolean {
    if (!this.#budget.hasRoom('memoryBytes', bytes, this.isAnonymous)) return false
    this.#memoryBytes += bytes
    this.#budget.count('memoryBytes', bytes, this.isAnonymous)
    return true
  }

  /** The same on disk. */
  holdOnDisk(bytes: number): boolean {
    if (!this.#budget.hasRoom('diskBytes', bytes, this.isAnonymous)) return false
    this.#diskBytes += bytes
    this.#budget.count('diskBytes', bytes, this.isAnonymous)
    return true
  }

  /** All of the body has come. */
  endReceiving(): void {
    if (!this.#isReceiving) return
    this.#isReceiving = false
    this.#budget.count('receiving', -1, this.isAnonymous)
  }

  /** Nothing of it is in memory any more. */
  releaseMemory(): void {
    this.#budget.count('memoryBytes', -this.#memoryBytes, this.isAnonymous)
    this.#memoryBytes = 0
  }

  /** Nothing of it is anywhere any more. */
  [Symbol.dispose](): void {
    this.endReceiving()
    this.releaseMemory()
    this.#budget.count('diskBytes', -this.#diskBytes, this.isAnonymous)
    this.#diskBytes = 0
  }
}
