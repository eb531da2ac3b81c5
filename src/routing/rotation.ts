/**
 * Weighted round robin that is exact: over the requests that saw the same set of open members, each member is within one
 * request of its exact share after every single one of them.
 *
 * nginx's smooth round robin takes the member that is furthest behind. With many unequal weights that falls more than one
 * request behind (1.22 was seen with 13 members), so here a member is taken only when its share has begun to be due, and the
 * one that must be served soonest goes first: the k-th request of a member with share s falls in the window
 * ((k - 1) / s, k / s], which earliest-deadline-first always meets (Baruah et al., "Proportionate progress", 1996). The place
 * where a rotation starts is random, so that many of them do not all begin with the same member.
 */
export interface Weighted {
  readonly id: string
  readonly weight: number
}

/** One round robin over a fixed set of members. */
interface Wheel {
  readonly mask: Uint32Array
  readonly members: readonly number[]
  readonly weights: readonly number[]
  readonly total: number
  /** Per member, how far it is behind its share, in units of `1 / total` requests; with two members the first one's phase. */
  readonly behind: Float64Array
  isFresh: boolean
}

/** Sets of open members that a rotation remembers. Beyond them the oldest starts afresh. */
const wheelsKept = 16

export class Rotation {
  #items: readonly Weighted[] = []
  #open = new Uint32Array(1)
  #openCount = 0
  #weightedCount = 0
  readonly #wheels: Wheel[] = []
  #configured: Wheel | null = null
  #oldest = 0
  #seed: number

  /** `seed`: any number; two rotations with different ones start at different places. */
  constructor(seed: number) {
    this.#seed = seed | 0
  }

  /** Begins a choice among `items`, none open yet. Items with weight 0 are never chosen. */
  begin(items: readonly Weighted[]): void {
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
    if (this.#openCount === 0) return -1
    const wheel = this.#wheelOf()
    return wheel.members[this.#turn(wheel)]!
  }

  /** The index that would be chosen if all items were open; it has its own round robin. -1 if no item has weight. */
  nextConfigured(): number {
    if (this.#weightedCount === 0) return -1
    this.#configured ??= this.#makeWheel(() => true)
    return this.#configured.members[this.#turn(this.#configured)]!
  }

  /** New weights or members start afresh: what was owed under the old ones would come as a burst. */
  #adopt(items: readonly Weighted[]): void {
    const isSame = haveSameWeights(this.#items, items)
    const phase = isSame ? null : this.#phaseOfTwo(items)
    this.#items = items
    if (isSame) return
    this.#wheels.length = 0
    this.#configured = null
    this.#oldest = 0
    this.#open = new Uint32Array(Math.max(1, Math.ceil(items.length / 32)))
    this.#weightedCount = items.reduce((count, item) => count + (item.weight > 0 ? 1 : 0), 0)
    if (phase !== null) this.#wheels.push(this.#makeWheel(() => true, phase))
  }

  /** Two members that stay keep their phase, so that they are exact across changes of weight as well. */
  #phaseOfTwo(items: readonly Weighted[]): number | null {
    const wheel = this.#wheels.find(({ members }) => members.length === 2)
    if (!wheel || items.length !== 2 || this.#items.length !== 2) return null
    if (items.some((item, index) => item.weight === 0 || item.id !== this.#items[index]!.id)) return null
    return wheel.behind[0]! / wheel.total
  }

  #wheelOf(): Wheel {
    for (const wheel of this.#wheels) {
      if (equal(wheel.mask, this.#open)) return wheel
    }
    const wheel = this.#makeWheel((index) => (this.#open[index >> 5]! & (1 << (index & 31))) !== 0)
    if (this.#wheels.length < wheelsKept) {
      this.#wheels.push(wheel)
    } else {
      this.#wheels[this.#oldest] = wheel
      this.#oldest = (this.#oldest + 1) % wheelsKept
    }
    return wheel
  }

  #makeWheel(isMember: (index: number) => boolean, phase = this.#random()): Wheel {
    const mask = new Uint32Array(this.#open.length)
    const members = this.#items
      .keys()
      .filter((index) => this.#items[index]!.weight > 0 && isMember(index))
      .toArray()
    for (const index of members) mask[index >> 5]! |= 1 << (index & 31)
    const weights = members.map((index) => this.#items[index]!.weight)
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    const behind = new Float64Array(members.length)
    if (members.length === 2) behind[0] = Math.floor(phase * total)
    return { mask, members, weights, total, behind, isFresh: true }
  }

  /** The place among the wheel's members of the one whose turn it is. */
  #turn(wheel: Wheel): number {
    if (wheel.members.length === 1) return 0
    return wheel.members.length === 2 ? turnOfTwo(wheel) : this.#turnOfMany(wheel)
  }

  #turnOfMany(wheel: Wheel): number {
    const { behind, weights, total } = wheel
    for (let i = 0; i < behind.length; i++) behind[i]! += weights[i]!
    const chosen = wheel.isFresh ? this.#drawByWeight(wheel) : earliestDeadline(wheel)
    wheel.isFresh = false
    behind[chosen]! -= total
    return chosen
  }

  /** Any first choice keeps every window reachable; drawn by weight, many rotations together keep the shares at once. */
  #drawByWeight({ weights, total }: Wheel): number {
    let point = this.#random() * total
    let last = 0
    for (let i = 0; i < weights.length; i++) {
      last = i
      point -= weights[i]!
      if (point < 0) break
    }
    return last
  }

  /** Mulberry32: a small generator is enough to spread starting places. */
  #random(): number {
    this.#seed = (this.#seed + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#seed ^ (this.#seed >>> 15), 1 | this.#seed)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** With two members the multiples of a share, rounded down from a random phase: within one in any stretch of requests. */
function turnOfTwo(wheel: Wheel): number {
  const phase = wheel.behind[0]! + wheel.weights[0]!
  const isFirst = phase >= wheel.total
  wheel.behind[0] = isFirst ? phase - wheel.total : phase
  return isFirst ? 0 : 1
}

function earliestDeadline({ behind, weights, total }: Wheel): number {
  let chosen = 0
  let earliest = Infinity
  for (let i = 0; i < behind.length; i++) {
    if (behind[i]! <= 0) continue
    const deadline = (total - behind[i]!) / weights[i]!
    if (deadline < earliest) {
      earliest = deadline
      chosen = i
    }
  }
  return chosen
}

function haveSameWeights(a: readonly Weighted[], b: readonly Weighted[]): boolean {
  return a.length === b.length && a.every((item, index) => item.id === b[index]!.id && item.weight === b[index]!.weight)
}

function equal(a: Uint32Array, b: Uint32Array): boolean {
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) return false
  }
  return true
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

  /** Forgets the rotations whose id `isKept` denies. */
  retain(isKept: (id: string) => boolean): void {
    for (const id of this.#byId.keys()) {
      if (!isKept(id)) this.#byId.delete(id)
    }
  }

  get size(): number {
    return this.#byId.size
  }
}
