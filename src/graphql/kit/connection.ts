import type { ArgBuilder, ObjectRef } from '@pothos/core'
import { type GraphQLResolveInfo, Kind } from 'graphql'
import { type Page, type PageRequest, type PlacedRow, rowPlaceOf } from '../../storage/database/page.ts'
import { builder, type SchemaTypes } from '../schema/builder.ts'
import type { GraphQLContext } from './context.ts'
import { badUserInput } from './fault.ts'

const defaultPageSize = 20
const maxPageSize = 100

/** A list that is read page by page. */
export interface ListSource<Node> {
  /** Names the list, with the object that it belongs to: a cursor of one list is refused by another. */
  readonly list: string
  read(request: PageRequest): Promise<Page<Node>>
  /** The length of the list; absent where counting would read the whole list. */
  count?(): Promise<number>
}

/** One page of a list, as the schema's connection types show it. */
export interface Connection<Node> {
  readonly source: ListSource<Node>
  readonly request: PageRequest
  readonly page: Page<Node>
}

export interface PageArgs {
  readonly first?: number | null | undefined
  readonly after?: string | null | undefined
  readonly last?: number | null | undefined
  readonly before?: string | null | undefined
}

/** Reads the page that the arguments select. Throws `BAD_USER_INPUT` if an argument is out of bounds, instead of clamping it. */
export async function connect<Node>(
  context: GraphQLContext,
  source: ListSource<Node>,
  args: PageArgs,
  info: GraphQLResolveInfo,
): Promise<Connection<Node>> {
  const request = pageRequest(context, source.list, args, info)
  return { source, request, page: await source.read(request) }
}

function pageRequest(
  { cursors }: GraphQLContext,
  list: string,
  { first, after, last, before }: PageArgs,
  info: GraphQLResolveInfo,
): PageRequest {
  // `first` has a default, so its value does not show whether the caller gave it.
  if (last != null && first != null && isGiven(info, 'first'))
    throw badUserInput('Give `first` or `last`, not both: one walks forwards, the other backwards.')
  return {
    limit: last == null ? requireSize('first', first ?? defaultPageSize) : requireSize('last', last),
    after: after == null ? null : cursors.decode(list, after, 'after'),
    before: before == null ? null : cursors.decode(list, before, 'before'),
    fromEnd: last != null,
  }
}

function requireSize(argument: string, size: number): number {
  if (size < 0 || size > maxPageSize) throw badUserInput(`\`${argument}\` is 0 to ${maxPageSize}.`)
  return size
}

function isGiven(info: GraphQLResolveInfo, name: string): boolean {
  const value = info.fieldNodes[0]?.arguments?.find((argument) => argument.name.value === name)?.value
  if (value?.kind !== Kind.VARIABLE) return value !== undefined
  return info.variableValues.coerced[value.name.value] != null
}

/** The four arguments of every connection. */
export function pageArgs(t: ArgBuilder<PothosSchemaTypes.ExtendDefaultTypes<SchemaTypes>>) {
  return {
    first: t.int({
      description: `How many, 0 to ${maxPageSize}, from the beginning, or after the cursor \`after\`.`,
      defaultValue: defaultPageSize,
    }),
    after: t.string({ description: 'A cursor: the page begins after it.' }),
    last: t.int({
      description: `How many, 0 to ${maxPageSize}, from the end or before \`before\`. Not with \`first\`.`,
    }),
    before: t.string({ description: 'A cursor: the page ends before it.' }),
  }
}

/** The cost of a connection: one for each object of the page. */
export function pageCost({ first, last }: PageArgs): { field: number; multiplier: number } {
  const size = last ?? first ?? defaultPageSize
  return { field: 1, multiplier: Math.min(Math.max(size, 1), maxPageSize) }
}

const PageInfo = builder.objectRef<Connection<PlacedRow>>('PageInfo').implement({
  description: 'The position of a page in its list.',
  fields: (t) => ({
    hasNextPage: t.boolean({
      description: 'Whether there are entries after the page.',
      resolve: (connection) => isAnyBeyond(connection, 'end'),
    }),
    hasPreviousPage: t.boolean({
      description: 'Whether there are entries before the page.',
      resolve: (connection) => isAnyBeyond(connection, 'begin'),
    }),
    startCursor: t.string({
      description: 'The cursor of the first entry; null if the page is empty.',
      nullable: true,
      resolve: (connection, _args, { cursors }) => cursorOf(cursors, connection, connection.page.rows.at(0)),
    }),
    endCursor: t.string({
      description: 'The cursor of the last entry; null if the page is empty.',
      nullable: true,
      resolve: (connection, _args, { cursors }) => cursorOf(cursors, connection, connection.page.rows.at(-1)),
    }),
  }),
})

type Side = 'begin' | 'end'

/** Whether there are rows between the page and an end of its list, also beyond `after` and `before`. */
async function isAnyBeyond<Node extends PlacedRow>(
  { source, request, page }: Connection<Node>,
  side: Side,
): Promise<boolean> {
  const { after, before, fromEnd } = request
  const [opposite, bound, entry]: [Side, string | null, string | null] =
    side === 'end' ? ['begin', before, after] : ['end', after, before]
  const isReadTowards = fromEnd === (side === 'begin')
  if (isReadTowards && page.hasMore) return true
  if (bound === null) return false
  // The place of an empty page is the cursor at which the read began. The row of that cursor may have been deleted.
  const placeOfEmpty = async () => (isReadTowards ? entry : placeOrNull(await nextRow(source, bound, opposite)))
  const edge = placeOrNull(page.rows.at(side === 'end' ? -1 : 0)) ?? (await placeOfEmpty())
  return (await nextRow(source, edge, side)) !== undefined
}

function placeOrNull(row: PlacedRow | undefined): string | null {
  return row ? rowPlaceOf(row) : null
}

/** The row next to `place` towards a side; for null the outermost row of the other side. */
async function nextRow<Node>(source: ListSource<Node>, place: string | null, side: Side): Promise<Node | undefined> {
  const request: PageRequest =
    side === 'end'
      ? { limit: 1, after: place, before: null, fromEnd: false }
      : { limit: 1, after: null, before: place, fromEnd: true }
  return (await source.read(request)).rows[0]
}

function cursorOf<Node extends PlacedRow>(
  cursors: GraphQLContext['cursors'],
  { source }: Connection<Node>,
  node: Node | undefined,
): string | null {
  return node ? cursors.encode(source.list, rowPlaceOf(node)) : null
}

interface Edge<Node> {
  readonly connection: Connection<Node>
  readonly node: Node
}

type NodeRef<Node> = ObjectRef<PothosSchemaTypes.ExtendDefaultTypes<SchemaTypes>, Node>

/** Creates the connection type and the edge type of an object type, with `totalCount` unless counting would read the whole list. */
export function connectionType<Node extends PlacedRow>(
  name: string,
  node: NodeRef<Node>,
  options: { readonly isCounted: boolean; readonly description: string },
) {
  const edge = builder.objectRef<Edge<Node>>(`${name}Edge`).implement({
    description: 'One entry of a page: the object and its cursor.',
    fields: (t) => ({
      cursor: t.string({
        description: 'Its position in the list, for `after` and `before`.',
        resolve: ({ connection, node }, _args, { cursors }) => cursors.encode(connection.source.list, rowPlaceOf(node)),
      }),
      node: t.field({ type: node, description: 'The object.', resolve: (self) => self.node as never }),
    }),
  })
  return builder.objectRef<Connection<Node>>(`${name}Connection`).implement({
    description: options.description,
    fields: (t) => ({
      edges: t.field({
        type: [edge],
        description: 'The entries of the page.',
        resolve: (connection) => connection.page.rows.map((node) => ({ connection, node })),
      }),
      pageInfo: t.field({
        type: PageInfo,
        description: 'The position of the page in the list.',
        resolve: (connection) => connection as unknown as Connection<PlacedRow>,
      }),
      ...(options.isCounted && {
        totalCount: t.int({
          description: 'The number of objects in the whole list.',
          resolve: ({ source }) => source.count!(),
        }),
      }),
    }),
  })
}
