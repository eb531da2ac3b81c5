/** The blocks of code in a page of the documentation. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface DocumentBlock {
  /** The heading above it. */
  readonly heading: string
  readonly language: string
  /** What stands behind the language, e.g. `by-hand=docker`: the value by its name, or empty. */
  readonly marks: ReadonlyMap<string, string>
  readonly text: string
}

export const repositoryDir = join(import.meta.dirname, '../..')

/** `path` is relative to the repository. */
export function readDocument(path: string): string {
  return readFileSync(join(repositoryDir, path), 'utf8')
}

/** In their order. */
export function documentBlocks(markdown: string): DocumentBlock[] {
  const blocks: DocumentBlock[] = []
  let heading = ''
  for (const [, title, language, marks, text] of markdown.matchAll(/^(?:#+ (.*)|```(\w+)(.*)\n([\s\S]*?)^```)$/gm)) {
    if (title !== undefined) heading = title
    else blocks.push({ heading, language: language!, marks: marksOf(marks!), text: text! })
  }
  return blocks
}

function marksOf(text: string): Map<string, string> {
  const words = text.trim().split(/\s+/).filter(Boolean)
  return new Map(words.map((word) => word.split('=', 2)).map(([name, value]) => [name!, value ?? '']))
}
