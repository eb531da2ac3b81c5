/**
 * What Relay's compiler and the generators of typed clients ask of a schema, checked on the file that they read
 * (https://relay.dev/graphql/connections.htm, https://relay.dev/docs/guides/graphql-server-specification/).
 */
import { readFileSync } from 'node:fs'
import {
  buildClientSchema,
  buildSchema,
  getNullableType,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLOutputType,
  introspectionFromSchema,
  isListType,
  isNonNullType,
  isObjectType,
  printSchema,
  validateSchema,
} from 'graphql'
import { expect, test } from 'vitest'

const schema = buildSchema(readFileSync(new URL('../../../schema.graphql', import.meta.url), 'utf8'))
const objects = Object.values(schema.getTypeMap()).filter((type) => isObjectType(type) && !type.name.startsWith('__'))
const connections = objects.filter(({ name }) => name.endsWith('Connection')) as GraphQLObjectType[]
const field = (type: unknown, name: string): GraphQLField<unknown, unknown> | undefined =>
  (type as GraphQLObjectType).getFields()[name]
const textOf = (type: GraphQLOutputType | undefined) => String(type)

test('the file is a valid schema, and the same after introspection', () => {
  expect(validateSchema(schema)).toEqual([])
  expect(printSchema(buildClientSchema(introspectionFromSchema(schema)))).toBe(printSchema(schema))
})

test('`node` finds the objects with an id', () => {
  expect(textOf(field(schema.getQueryType(), 'node')?.type)).toBe('Node')
  expect(field(schema.getQueryType(), 'node')?.args.map(({ name, type }) => `${name}: ${String(type)}`)).toEqual([
    'id: ID!',
  ])
  const node = schema.getType('Node')
  expect(textOf(field(node, 'id')?.type)).toBe('ID!')
  // Relay keeps what has an `id` under that id, and refetches it by `node` if it is one.
  const withId = objects.filter((type) => field(type, 'id')) as GraphQLObjectType[]
  const isNode = (type: GraphQLObjectType) => type.getInterfaces().some(({ name }) => name === 'Node')
  expect(withId.map((type) => textOf(field(type, 'id')!.type))).toEqual(withId.map(() => 'ID!'))
  // These are read with what they belong to or in a list, and by no id of their own.
  expect(
    withId
      .filter((type) => !isNode(type))
      .map(String)
      .toSorted(),
  ).toEqual(['Gateway', 'Problem', 'ProviderCredential'])
})

test('connections have edges with nodes and cursors, and a page info', () => {
  expect(connections.length).toBeGreaterThan(5)
  for (const connection of connections) {
    expect(textOf(field(connection, 'pageInfo')?.type)).toBe('PageInfo!')
    const edges = getNullableType(field(connection, 'edges')!.type)
    expect(isListType(edges)).toBe(true)
    const edge = schema.getType(textOf(edges as GraphQLOutputType).replaceAll(/[[\]!]/g, ''))
    expect(textOf(field(edge, 'cursor')?.type)).toBe('String!')
    expect(isListType(getNullableType(field(edge, 'node')!.type))).toBe(false)
  }
  const pageInfo = schema.getType('PageInfo')
  expect(textOf(field(pageInfo, 'hasNextPage')?.type)).toBe('Boolean!')
  expect(textOf(field(pageInfo, 'hasPreviousPage')?.type)).toBe('Boolean!')
  for (const name of ['startCursor', 'endCursor']) expect(textOf(field(pageInfo, name)?.type)).toBe('String')
})

test('whatever is answered with a connection takes the arguments of pages', () => {
  const paged = (objects as GraphQLObjectType[])
    .flatMap((type) => Object.values(type.getFields()))
    .filter(({ type }) => connections.includes(getNullableType(type) as GraphQLObjectType))
  expect(paged.length).toBeGreaterThan(5)
  for (const { name, args } of paged) {
    const types = Object.fromEntries(args.map((arg) => [arg.name, textOf(arg.type as GraphQLOutputType)]))
    expect({ name, types }).toMatchObject({ name, types: { first: 'Int', after: 'String' } })
  }
})

test('every mutation takes one input and answers with a payload that can be null', () => {
  for (const { name, args, type } of Object.values(schema.getMutationType()!.getFields())) {
    expect({ name, args: args.map((arg) => arg.name) }).toEqual({ name, args: ['input'] })
    expect({ name, isRequired: isNonNullType(type) }).toEqual({ name, isRequired: false })
  }
})
