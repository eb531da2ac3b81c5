import type { Mark } from './stream-protocol.ts'

/** Finds the events of a stream that have to be read, by the texts that stand in them. */
export class MarkSearch {
  readonly #marks: readonly Mark[]
  /** Where each mark stands next. */
  readonly #next: number[]
  #text = ''

  constructor(marks: readonly Mark[]) {
    this.#marks = marks
    this.#next = marks.map(() => 0)
  }

  /** Begins with other bytes, one character each. */
  begin(text: string): void {
    this.#text = text
    for (let i = 0; i < this.#marks.length; i++) this.#next[i] = this.#find(i, 0)
  }

  /** The next place of a mark that matters; -1: there is none. */
  find(from: number): number {
    for (;;) {
      const nearest = this.#nearest(from)
      if (nearest < 0) return -1
      const at = this.#next[nearest]!
      const { text, matters } = this.#marks[nearest]!
      if (!matters || matters(this.#text, at + text.length)) return at
      this.#next[nearest] = this.#find(nearest, at + text.length)
    }
  }

  #nearest(from: number): number {
    const { length } = this.#text
    let nearest = -1
    let least = length
    for (let i = 0; i < this.#next.length; i++) {
      if (this.#next[i]! < from) this.#next[i] = this.#find(i, from)
      if (this.#next[i]! < least) {
        least = this.#next[i]!
        nearest = i
      }
    }
    return nearest
  }

  #find(mark: number, from: number): number {
    const at = this.#text.indexOf(this.#marks[mark]!.text, from)
    return at < 0 ? this.#text.length : at
  }
}
