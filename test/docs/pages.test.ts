import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readDocument } from '../support/document-blocks.ts'

const root = join(import.meta.dirname, '../..')

/** Its commands run the benchmark, which takes minutes and asks for a quiet machine. */
const notRun = ['docs/performance.md']

test('a page with commands, programs or GraphQL is run by a test of this folder', async () => {
  const docs = (await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)
  const pages = ['README.md', ...docs].filter((path) => /^```(?:sh|bash|js|graphql)\b/m.test(readDocument(path)))
  const tests = (await readdir(import.meta.dirname)).filter(
    (name) => name.endsWith('.test.ts') && name !== 'pages.test.ts',
  )
  const sources = await Promise.all(tests.map((name) => readFile(join(import.meta.dirname, name), 'utf8')))
  const unnamed = pages.filter((path) => !sources.some((source) => source.includes(path)))
  expect(unnamed).toEqual(notRun)
})
