/** What pages tell a reader to click in the console. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The words in italics behind "Console" in each of its lines. */
export function consoleLabelsOf(page: string): string[] {
  return [...page.matchAll(/\*Console[.:]?\*.*/g)].flatMap(([line]) =>
    [...line.replace(/^\*Console[.:]?\*+/, '').matchAll(/(?<!\*)\*([^*]+)\*(?!\*)/g)].map(([, label]) => label!),
  )
}

/** Those that no source file of the console has. */
export async function missingInConsole(labels: readonly string[]): Promise<string[]> {
  const folder = join(import.meta.dirname, '../../console/src')
  const files = (await readdir(folder, { recursive: true })).filter((name) => /\.tsx?$/.test(name))
  const sources = await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')))
  return labels.filter((label) => !sources.some((source) => source.includes(label)))
}
