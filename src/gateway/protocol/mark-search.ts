import type { Mark } from './stream-protocol.ts'

/** Of a mark that is not looked for by now. */
const unwanted = Number.MAX_SAFE_INTEGER

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

  /** The next position of a relevant mark; -1 if there is none. */
  find(from: number): number {
    let nearest = this.#text.length
    for (let i = 0; i < this.#next.length; i++) {
      if (this.#next[i]! < from || (this.#next[i] === unwanted && this.#isWanted(i)))
        this.#next[i] = this.#find(i, from)
      if (this.#next[i]! < nearest) nearest = this.#next[i]!
    }
    return nearest < this.#text.length ? nearest : -1
  }

  #isWanted(mark: number): boolean {
    return this.#marks[mark]!.isWanted?.() ?? true
  }

  #find(mark: number, from: number): number {
    if (!this.#isWanted(mark)) return unwanted
    const all = this.#text
    const { text, matters } = this.#marks[mark]!
    let at = all.indexOf(text, from)
    if (matters) while (at >= 0 && !matters(all, at + text.length)) at = all.indexOf(text, at + text.length)
    return at < 0 ? all.length : at
  }
}
