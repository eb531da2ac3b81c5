/**
 * Weighted round robin with one account per member: by how many requests the member is behind the sum of what was due to it.
 * Of each request every *open* member is due its weight over the sum of the open weights; the member that is chosen has got one.
 * One account for all sets of open members, because an account per set starts at zero for each new set: every such account
 * serves the heavy members first, its errors all point the same way, and light members lose without bound.
 *
 * The invariants, kept by `Account.choose` and driven by test/routing/rotation.test.ts:
 *
 * 1. The accounts of all members add up to zero: each request adds the open shares, which are one, and takes one away.
 * 2. While the set of open members and the weights stay, each account is in (-1, 1): each member is within one request of its
 *    exact share after every request. nginx's smooth round robin, which takes the member that is furthest behind, does not
 *    promise that (1.22 was seen with 13 members). Here a member is taken only when its account is above zero, and the one that
 *    must be served soonest goes first: the k-th request of a member with share s falls in the window ((k - 1) / s, k / s]. Such
 *    windows can all be met (Baruah et al., "Proportionate progress", 1996), and the earliest deadline first meets whatever can
 *    be met. A drawn first choice is inside its window for every member.
 * 3. While members come and go, each account stays within two requests, over any number of requests. An account that is above
 *    zero pulls its member forward, one below zero holds it back, and a member that is shut keeps its account until it is open
 *    again: nothing is forgotten, so nothing adds up. The largest that was seen is 1.75, with members that each have room for
 *    one request and are nearly all in use (test/routing/flapping-split.test.ts drives the kinds of flapping that were tried).
 *
 * No rule can promise the third for any number of members to somebody who shuts each member as soon as it was served: of n
 * equal members the last one is then behind by 1/n + 1/(n - 1) + … + 1/2, whatever was chosen. That is 1.93 for ten members and
 * 2.6 for twenty, and this rule is behind by no more.
 *
 * The place where a rotation starts is random, so that many of them do not all begin with the same member.
 */
export interface WeightedMember {
  readonly id: string
  readonly weight: number
}

/** Most removed members whose account is kept; beyond it the oldest is dropped. */
const absentKept = 64

/** Differences below this are rounding errors of the sums of shares. */
const nothing = 1e-9

export class Rotation {
  #items: readonly WeightedMember[] = []
  /** A bit for each item. */
  #open = new Uint32Array(1)
  #weighted = new Uint32Array(1)
  #openCount = 0
  #weightedCount = 0
  readonly #served: Account
  /** The account of the weights alone, for requests for which members were left out. */
  readonly #configured: Account

  /** `seed`: any number; two rotations with different ones start at different places. */
  constructor(seed: number) {
    const seeds = new SeededNumbers(seed)
    this.#served = new Account(seeds)
    this.#configured = new Account(seeds)
  }

  /** Begins a choice among `items`, none open yet. Items with weight 0 are never chosen. */
  begin(items: readonly WeightedMember[]): void {
    if (items !== this.#items) this.#adopt(items)
    this.#open.fill(0)
    this.#openCount = 0
  }

  /** Opens the item at `index` for this choice. */
  open(index: number): void {
    if (this.#items[index]!.weight === 0) return
    this.#open[index >> 5]! |= 1 << (index & 31)
    this.#openCount++
  }

  /** Whether all items with weight are open. */
  get isWhole(): boolean {
    return this.#openCount === this.#weightedCount
  }

  /** The index of the chosen item; -1 if none is open. */
  next(): number {
    return this.#openCount === 0 ? -1 : this.#served.choose(this.#items, this.#open, this.#openCount)
  }

  /** The index that the weights alone would choose, with an account of its own. -1 if no item has weight. */
  nextConfigured(): number {
    if (this.#weightedCount === 0) return -1
    return this.#configured.choose(this.#items, this.#weighted, this.#weightedCount)
  }

  #adopt(items: readonly WeightedMember[]): void {
    if (!haveSameWeights(this.#items, items)) {
      this.#served.follow(this.#items, items)
      this.#configured.follow(this.#items, items)
      this.#open = bitsFor(items)
      this.#weighted = weightedOf(items)
      this.#weightedCount = items.reduce((count, { weight }) => count + (weight > 0 ? 1 : 0), 0)
    }
    this.#items = items
  }
}

/** For each member the number of requests by which it is behind the sum of its shares. */
class Account {
  #behind = new Float64Array(0)
  /** The accounts of removed members, by id, in case they come back. */
  readonly #absent = new Map<string, number>()
  readonly #seeds: SeededNumbers
  /** The open members of the last choice. */
  #set = new Uint32Array(0)
  #isFresh = true
  /**
   * Whether the set of open members has ever changed. It may change again, and members with distant deadlines would then be late at
   * once: from then on deadlines are compared as if each weight were larger by twice the mean weight.
   */
  #hasChanged = false

  constructor(seeds: SeededNumbers) {
    this.#seeds = seeds
  }

  /** Chooses one of the `count` items whose bit is set in `open`, and records the choice. */
  choose(items: readonly WeightedMember[], open: Uint32Array, count: number): number {
    const total = totalWeight(items, open)
    const isFirst = this.#isFresh
    if (isFirst) this.#begin(items, open, count, total)
    else if (!equal(this.#set, open)) this.#change(open)
    const behind = this.#behind
    for (let i = 0; i < items.length; i++) if (isSet(open, i)) behind[i]! += items[i]!.weight / total
    const chosen = this.#choose(items, open, count, total, isFirst)
    behind[chosen]! -= 1
    return chosen
  }

  /** Takes over the accounts of members that stay or come back. */
  follow(before: readonly WeightedMember[], after: readonly WeightedMember[]): void {
    before.forEach(({ id }, index) => this.#absent.set(id, this.#behind[index]!))
    this.#behind = Float64Array.from(after, ({ id }) => this.#absent.get(id) ?? 0)
    for (const { id } of after) this.#absent.delete(id)
    for (const id of this.#absent.keys()) {
      if (this.#absent.size <= absentKept) break
      this.#absent.delete(id)
    }
    this.#set = new Uint32Array(this.#set.length)
  }

  #begin(items: readonly WeightedMember[], open: Uint32Array, count: number, total: number): void {
    this.#isFresh = false
    this.#set = open.slice()
    if (count === 2) this.#drawPhase(items, open, total)
  }

  /** Draws the starting phase of two members, away from the points at which both would be equally far behind and rounding would decide. */
  #drawPhase(items: readonly WeightedMember[], open: Uint32Array, total: number): void {
    let phase = (Math.floor(this.#seeds.next() * total) + 0.5) / total - 0.5
    for (let i = 0; i < items.length; i++) {
      if (!isSet(open, i)) continue
      this.#behind[i] = phase
      phase = -phase
    }
  }

  #change(open: Uint32Array): void {
    this.#set = open.slice()
    this.#hasChanged = true
  }

  #choose(items: readonly WeightedMember[], open: Uint32Array, count: number, total: number, isFirst: boolean): number {
    // With two members the rounded multiples of a share keep each within one request over any sequence.
    if (count <= 2) return furthestBehind(this.#behind, open)
    // Any first choice keeps every window reachable. Drawn by weight, many new rotations together have the right shares at once.
    if (isFirst) return drawByWeight(items, open, this.#seeds.next() * total)
    return this.#earliestDeadline(items, open, total, this.#hasChanged ? (2 * total) / count : 0)
  }

  #earliestDeadline(items: readonly WeightedMember[], open: Uint32Array, total: number, evenness: number): number {
    const behind = this.#behind
    let chosen = -1
    let earliest = Infinity
    for (let i = 0; i < items.length; i++) {
      if (!isSet(open, i) || behind[i]! <= nothing) continue
      const deadline = ((1 - behind[i]!) * total) / (items[i]!.weight + evenness)
      if (deadline >= earliest) continue
      earliest = deadline
      chosen = i
    }
    // All members that are behind may be closed.
    return chosen === -1 ? furthestBehind(behind, open) : chosen
  }
}

function furthestBehind(behind: Float64Array, open: Uint32Array): number {
  let chosen = -1
  for (let i = 0; i < behind.length; i++) {
    if (isSet(open, i) && (chosen === -1 || behind[i]! > behind[chosen]!)) chosen = i
  }
  return chosen
}

/** `point` is in [0, total weight of the open items). */
function drawByWeight(items: readonly WeightedMember[], open: Uint32Array, point: number): number {
  let last = -1
  let left = point
  for (let i = 0; i < items.length && left >= 0; i++) {
    if (!isSet(open, i)) continue
    last = i
    left -= items[i]!.weight
  }
  return last
}

function totalWeight(items: readonly WeightedMember[], open: Uint32Array): number {
  let total = 0
  for (let i = 0; i < items.length; i++) if (isSet(open, i)) total += items[i]!.weight
  return total
}

function weightedOf(items: readonly WeightedMember[]): Uint32Array<ArrayBuffer> {
  const bits = bitsFor(items)
  items.forEach(({ weight }, index) => {
    if (weight > 0) bits[index >> 5]! |= 1 << (index & 31)
  })
  return bits
}

function bitsFor(items: readonly WeightedMember[]): Uint32Array<ArrayBuffer> {
  return new Uint32Array(Math.max(1, Math.ceil(items.length / 32)))
}

function isSet(bits: Uint32Array, index: number): boolean {
  return (bits[index >> 5]! & (1 << (index & 31))) !== 0
}

function haveSameWeights(a: readonly WeightedMember[], b: readonly WeightedMember[]): boolean {
  return a.length === b.length && a.every((item, index) => item.id === b[index]!.id && item.weight === b[index]!.weight)
}

function equal(a: Uint32Array, b: Uint32Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Mulberry32: a small generator is enough to spread starting places. */
class SeededNumbers {
  #seed: number

  constructor(seed: number) {
    this.#seed = seed | 0
  }

  /** In [0, 1). */
  next(): number {
    this.#seed = (this.#seed + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#seed ^ (this.#seed >>> 15), 1 | this.#seed)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The rotations of routes (over their targets) and of deployments (over their endpoints), by id; they outlive snapshots. */
export class Rotations {
  readonly #byId = new Map<string, Rotation>()
  readonly #random: () => number

  constructor(random: () => number) {
    this.#random = random
  }

  of(id: string): Rotation {
    let rotation = this.#byId.get(id)
    if (!rotation) {
      rotation = new Rotation(this.#random() * 2 ** 32)
      this.#byId.set(id, rotation)
    }
    return rotation
  }

  /** Drops the rotations for whose id `isKept` returns false. */
  retain(isKept: (id: string) => boolean): void {
    for (const id of this.#byId.keys()) {
      if (!isKept(id)) this.#byId.delete(id)
    }
  }

  get size(): number {
    return this.#byId.size
  }
}
