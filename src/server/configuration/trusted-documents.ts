import { hash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { StartError } from '../start-error.ts'

const maxDocuments = 10_000
const maxFileBytes = 33_554_432

const manifest = z.union([
  // Apollo's: https://www.apollographql.com/docs/graphos/platform/security/persisted-queries
  z
    .object({ operations: z.array(z.object({ id: z.string(), body: z.string() })) })
    .transform(({ operations }) => operations.map(({ id, body }) => [id, body] as const)),
  // Relay's and graphql-codegen's: documents by id.
  z.record(z.string(), z.string()).transform((documents) => Object.entries(documents)),
])

/**
 * The documents of a folder, by what clients call them: each `.graphql` file by the SHA-256 of its text, and what the `.json` files list
 * (manifests of Relay, graphql-codegen or Apollo). Throws `StartError` with the file that cannot be used.
 */
export async function readTrustedDocuments(folder: string): Promise<ReadonlyMap<string, string>> {
  const documents = new Map<string, string>()
  for (const name of await listFiles(folder)) {
    const text = await readBounded(join(folder, name))
    for (const [id, document] of readDocuments(name, text)) documents.set(id, document)
    if (documents.size > maxDocuments) throw unusable(`It has more than ${maxDocuments} documents.`)
  }
  if (documents.size === 0) throw unusable('It has no documents: neither .graphql files nor .json manifests.')
  return documents
}

type Documents = readonly (readonly [id: string, text: string])[]

function readDocuments(name: string, text: string): Documents {
  return name.endsWith('.json') ? readManifest(name, text) : [[hash('sha256', text), text]]
}

async function listFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    throw unusable(`The folder cannot be read: ${error.code}.`)
  })
  return names.filter((name) => /\.(graphql|gql|json)$/.test(name)).toSorted()
}

async function readBounded(path: string): Promise<string> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw unusable(`${path} cannot be read: ${error.code}.`)
  })
  if (bytes.length > maxFileBytes) throw unusable(`${path} has more than ${maxFileBytes} bytes.`)
  return bytes.toString('utf8')
}

function readManifest(name: string, text: string): Documents {
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch {
    throw unusable(`${name} is no JSON.`)
  }
  const parsed = manifest.safeParse(content)
  if (!parsed.success)
    throw unusable(`${name} is no manifest: neither documents by id nor {"operations": [{"id", "body"}]}.`)
  return parsed.data
}

function unusable(why: string): StartError {
  return new StartError(`SIGNALBOX_TRUSTED_DOCUMENTS_DIR is not usable. ${why}`)
}
