import type { GraphQLResolveInfo } from 'graphql'
import type { Db } from '../../storage/database/db.ts'
import type { ObjectOrder, Page, PageRequest } from '../../storage/database/page.ts'
import { type Connection, connect, type PageArgs } from './connection.ts'
import type { GraphQLContext } from './context.ts'
import { orderList } from './object-order.ts'

/** How all objects of one type are listed. */
export interface ObjectList<Row, Filter> {
  /** The name of the field in the schema. */
  readonly name: string
  readonly read: (db: Db, filter: Filter, order: ObjectOrder, request: PageRequest) => Promise<Page<Row>>
  readonly count: (db: Db, filter: Filter) => Promise<number>
}

type ListArgs = PageArgs & { readonly orderBy?: ObjectOrder | null | undefined }

/** Reads the page that the arguments select, in the selected order. */
export function connectObjects<Row, Filter>(
  context: GraphQLContext,
  { name, read, count }: ObjectList<Row, Filter>,
  filter: Filter,
  args: ListArgs,
  info: GraphQLResolveInfo,
): Promise<Connection<Row>> {
  const { db } = context
  const { order, list } = orderList(name, args.orderBy)
  const source = {
    list,
    read: (request: PageRequest) => read(db, filter, order, request),
    count: () => count(db, filter),
  }
  return connect(context, source, args, info)
}
