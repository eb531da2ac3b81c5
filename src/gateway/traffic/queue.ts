/** First in, first out, each in constant time: the shift of a long array copies it. */
export class Queue<T> {
  #items: T[] = []
  #head = 0

  get size(): number {
    return this.#items.length - this.#head
  }

  get first(): T | undefined {
    return this.#items[this.#head]
  }

  /** Keeps those of which this is true, in their order. */
  filter(isKept: (item: T) => boolean): void {
    this.#items = this.#items.slice(this.#head).filter(isKept)
    this.#head = 0
  }

  push(item: T): void {
    this.#items.push(item)
  }

  /** Takes the first away. */
  shift(): void {
    this.#head++
    // What was shifted would be held for ever.
    if (this.#head * 2 < this.#items.length) return
    this.#items = this.#items.slice(this.#head)
    this.#head = 0
  }
}
