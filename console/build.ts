/**
 * Builds the console into `console/dist`, with each file compressed beside it, and the types of its GraphQL documents. Run by `npm ci`;
 * it does nothing where the development packages are not installed. `--types`: only the types.
 */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'

const folder = import.meta.dirname
const dist = join(folder, 'dist')

if (!isInstalled()) {
  say('The console is not built: its packages are not installed. `npm ci` with the development packages builds it.')
} else if (process.argv.includes('--types')) {
  await writeTypes()
} else {
  try {
    await writeTypes()
    await build()
  } catch (error) {
    // A half-built console is worse than none, and the installation itself is sound without one.
    await rm(dist, { recursive: true, force: true })
    say(`The console could not be built; everything else works. \`npm run console\` tries again.\n${String(error)}`)
    if (process.argv.includes('--strict')) process.exitCode = 1
  }
}

function isInstalled(): boolean {
  return ['vite', 'react', '@gql.tada/internal'].every((name) => {
    try {
      import.meta.resolve(name)
      return true
    } catch {
      return false
    }
  })
}

/** gql.tada reads the schema as a type; its own command needs a compiler's programming interface that TypeScript 7 has not. */
async function writeTypes(): Promise<void> {
  const { buildSchema, introspectionFromSchema } = await import('graphql')
  const { minifyIntrospection, outputIntrospectionFile } = await import('@gql.tada/internal')
  const schema = buildSchema(await readFile(join(folder, '../schema.graphql'), 'utf8'))
  const introspection = minifyIntrospection(introspectionFromSchema(schema))
  const types = outputIntrospectionFile(introspection, { fileType: '.d.ts', shouldPreprocess: true })
  await writeFile(join(folder, 'src/api/schema-types.d.ts'), types)
}

async function build(): Promise<void> {
  const vite = await import('vite')
  await vite.build({ configFile: join(folder, 'vite.config.ts'), logLevel: 'warn' })
  const files = await readdir(dist, { recursive: true, withFileTypes: true })
  for (const file of files.filter((entry) => entry.isFile() && /\.(js|css|svg)$/.test(entry.name)))
    await compress(join(file.parentPath, file.name))
}

async function compress(path: string): Promise<void> {
  const bytes = await readFile(path)
  await writeFile(`${path}.gz`, await promisify(gzip)(bytes, { level: 9 }))
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length }
  await writeFile(`${path}.br`, await promisify(brotliCompress)(bytes, { params }))
}

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}
