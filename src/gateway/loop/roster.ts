/** What is on a roster knows its own place there. */
export interface Member {
  /** Written by the roster alone; -1: not on it. */
  rosterIndex: number
}

/**
 * A set for what comes and goes with every request. A `Set` would grow new tables all the time, and V8 keeps each table, with
 * all that it ever held, reachable from the one before: a quarter of the young heap survived every collection.
 */
export class Roster<T extends Member> {
  readonly #members: T[] = []

  get size(): number {
    return this.#members.length
  }

  add(member: T): void {
    member.rosterIndex = this.#members.length
    this.#members.push(member)
  }

  delete(member: T): void {
    const index = member.rosterIndex
    if (index < 0) return
    member.rosterIndex = -1
    const last = this.#members.pop()!
    if (last === member) return
    this.#members[index] = last
    last.rosterIndex = index
  }

  /** Those that are on it now; it may change meanwhile. */
  list(): T[] {
    return this.#members.slice()
  }
}
