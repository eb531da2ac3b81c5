import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import { expect, test } from 'vitest'
import { readDocument } from '../support/document-blocks.ts'

const root = join(import.meta.dirname, '../..')
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'examples/README.md',
  ...(await readdir(join(root, 'docs'), { recursive: true }))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]

test.each(pages)('the links of %s lead somewhere', (path) => {
  const links = [...withoutCode(readDocument(path)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!)
  expect(links.filter((link) => !leadsSomewhere(path, link))).toEqual([])
})

function leadsSomewhere(from: string, link: string): boolean {
  if (/^[a-z]+:/.test(link)) return true
  const [file = '', anchor] = link.split('#')
  const path = file === '' ? from : posix.join(dirname(from), file)
  if (!existsSync(join(root, path))) return false
  return anchor === undefined || anchorsOf(readDocument(path)).includes(anchor)
}

/** As GitHub makes them from headings. */
function anchorsOf(page: string): string[] {
  return [...withoutCode(page).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

function withoutCode(page: string): string {
  return page.replaceAll(/^```[^]*?^```$/gm, '')
}
