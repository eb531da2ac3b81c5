/** A page of the documentation as a test reads it: its fenced blocks, in their order. */
import { readFileSync } from 'node:fs'

export interface PageBlock {
  /** What stands behind the fence, e.g. `sh`; empty if nothing does. */
  readonly language: string
  readonly text: string
  /** The text of the heading above it. */
  readonly heading: string
  /** Of its fence, counted from 1. */
  readonly line: number
  /** Why it cannot be run here, by a comment `<!-- not run: … -->` above it; null: it is run. */
  readonly notRun: string | null
}

/** A page by its path from the top of the checkout, e.g. `docs/guide.md`. */
export function readPage(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
}

export function blocksOf(page: string): PageBlock[] {
  const fences =
    /^(?:#+ (?<heading>.+)|(?:<!-- not run: (?<reason>.+) -->\n+)?```(?<language>\w*)\n(?<text>[^]*?)^```)$/gm
  let heading = ''
  const blocks: PageBlock[] = []
  for (const { groups = {}, index } of page.matchAll(fences)) {
    if (groups['heading'] !== undefined) heading = groups['heading']
    else
      blocks.push({
        language: groups['language'] ?? '',
        text: groups['text'] ?? '',
        heading,
        line: page.slice(0, index).split('\n').length,
        notRun: groups['reason'] ?? null,
      })
  }
  return blocks
}
