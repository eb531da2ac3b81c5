/** A member knows its own index in the set. */
export interface IndexedMember {
  /** Written by the set alone; -1: not a member. */
  indexInSet: number
}

/**
 * A set for what comes and goes with every request. A `Set` would grow new tables all the time, and V8 keeps each table, with
 * all that it ever held, reachable from the one before: a quarter of the young heap survived every collection.
 */
export class IndexedSet<T extends IndexedMember> {
  readonly #members: T[] = []

  get size(): number {
    return this.#members.length
  }

  add(member: T): void {
    member.indexInSet = this.#members.length
    this.#members.push(member)
  }

  delete(member: T): void {
    const index = member.indexInSet
    if (index < 0) return
    member.indexInSet = -1
    const last = this.#members.pop()!
    if (last === member) return
    this.#members[index] = last
    last.indexInSet = index
  }

  /** A copy of the members: the set may change meanwhile. */
  list(): T[] {
    return this.#members.slice()
  }
}
