/** Writes the schema as a type, for gql.tada. Its own command (`gql.tada generate-output`) does the same with TypeScript before 7. */
import { readFile, writeFile } from 'node:fs/promises'
import { minifyIntrospection, outputIntrospectionFile } from '@gql.tada/internal'
import { buildSchema, introspectionFromSchema } from 'graphql'

const schema = buildSchema(await readFile(new URL('../../../schema.graphql', import.meta.url), 'utf8'))
const introspection = minifyIntrospection(introspectionFromSchema(schema))
const types = outputIntrospectionFile(introspection, { fileType: '.d.ts', shouldPreprocess: true })
await writeFile(new URL('schema-types.d.ts', import.meta.url), types)
