import type { Page, PageRequest } from '../../storage/database/page.ts'

/** A row of a list that is in memory. */
export interface ListedRow {
  /** Unique in the list. */
  readonly id: string
  readonly place: string
}

/** The rows, each with its place in the list. */
export function placeRows<Row extends { readonly id: string }>(rows: readonly Row[]): (Row & ListedRow)[] {
  return rows.map((row, index) => ({ ...row, place: `${index} ${row.id}` }))
}

/**
 * One page of a list whose order changes between reads. The page begins after the row of the cursor, at its current place, or at its
 * earlier place if the row is gone.
 */
export function pageOfList<Row extends ListedRow>(rows: readonly Row[], request: PageRequest): Page<Row> {
  const { limit, after, before, fromEnd } = request
  const from = after === null ? 0 : behind(rows, after)
  const to = before === null ? rows.length : indexOf(rows, before)
  const part = rows.slice(from, Math.max(from, to))
  const page = fromEnd ? part.slice(Math.max(0, part.length - limit)) : part.slice(0, limit)
  return { rows: page, hasMore: part.length > limit }
}

function behind(rows: readonly ListedRow[], place: string): number {
  const index = indexOf(rows, place)
  return rows[index]?.id === idOf(place) ? index + 1 : index
}

function indexOf(rows: readonly ListedRow[], place: string): number {
  const id = idOf(place)
  const index = rows.findIndex((row) => row.id === id)
  return index >= 0 ? index : Math.min(Number(place.split(' ', 1)[0]), rows.length)
}

function idOf(place: string): string {
  return place.slice(place.indexOf(' ') + 1)
}
