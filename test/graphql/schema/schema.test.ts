import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  BreakingChangeType,
  buildSchema,
  DangerousChangeType,
  findSchemaChanges,
  type GraphQLNamedType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isObjectType,
  isSpecifiedDirective,
  isSpecifiedScalarType,
} from 'graphql'
import { describe, expect, test } from 'vitest'
import { printedSchema } from '../../../src/graphql/schema/schema.ts'

const contractFile = process.env['CONTRACT_FILE'] ?? ''
/** What is added to the contract, part by part. */
const nextContractFile = process.env['CONTRACT_NEXT_FILE'] ?? ''
/** The headings of the parts that are built. */
const builtParts = ['A.', 'F.']

// Built from the text, like a client's tools do.
const schema = buildSchema(printedSchema())

// What a default is belongs to the meaning of a field, which is fixed.
const BREAKING: ReadonlySet<string> = new Set([
  ...Object.values(BreakingChangeType),
  DangerousChangeType.ARG_DEFAULT_VALUE_CHANGE,
  DangerousChangeType.INPUT_FIELD_DEFAULT_VALUE_CHANGE,
])

type Described = { name: string; description?: string | null | undefined }

describe('the schema', () => {
  test('is schema.graphql, to the letter (npm run schema writes it)', async () => {
    const kept = await readFile(join(import.meta.dirname, '../../../schema.graphql'), 'utf8')
    expect(kept).toBe(printedSchema())
  })

  test('describes every type, field, argument, input field, enum value and directive', () => {
    const types = Object.values(schema.getTypeMap()).filter(isOurs)
    const directives = schema.getDirectives().filter((directive) => !isSpecifiedDirective(directive))
    const undescribed = [
      ...types.flatMap((type) => [...missing('', [type]), ...membersOf(type)]),
      ...directives.flatMap((directive) => [
        ...missing('@', [directive]),
        ...missing(`@${directive.name}.`, directive.args),
      ]),
    ]
    expect(undescribed).toEqual([])
  })

  test.runIf(contractFile)('breaks nothing of the public contract', async () => {
    const contract = buildSchema(await readFile(contractFile, 'utf8'))
    const changes = findSchemaChanges(contract, schema)
    expect(changes.filter(({ type }) => BREAKING.has(type)).map(({ description }) => description)).toEqual([])
  })

  test.runIf(contractFile && nextContractFile)(
    'has what is added to the contract, in the parts that are built',
    async () => {
      const [contract, next] = await Promise.all([readFile(contractFile, 'utf8'), readFile(nextContractFile, 'utf8')])
      const built = next.split(/^# ── /m).filter((part) => builtParts.some((heading) => part.startsWith(heading)))
      expect(built).toHaveLength(builtParts.length)
      const promised = buildSchema([contract, ...built.map((part) => `# ${part}`)].join('\n'))
      const changes = findSchemaChanges(promised, schema)
      expect(changes.filter(({ type }) => BREAKING.has(type)).map(({ description }) => description)).toEqual([])
    },
  )
})

function isOurs(type: GraphQLNamedType): boolean {
  return !isSpecifiedScalarType(type) && !isIntrospectionType(type)
}

function membersOf(type: GraphQLNamedType): string[] {
  if (isEnumType(type)) return missing(`${type.name}.`, type.getValues())
  if (isInputObjectType(type)) return missing(`${type.name}.`, Object.values(type.getFields()))
  if (!isObjectType(type) && !isInterfaceType(type)) return []
  const fields = Object.values(type.getFields())
  return [
    ...missing(`${type.name}.`, fields),
    ...fields.flatMap((field) => missing(`${type.name}.${field.name}.`, field.args)),
  ]
}

function missing(prefix: string, described: readonly Described[]): string[] {
  return described.filter(({ description }) => !description?.trim()).map(({ name }) => prefix + name)
}
