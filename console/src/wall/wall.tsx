import { useDeferredValue, useState } from 'react'
import { useConfigQuery } from '../live/config-version.tsx'
import { Source } from '../ui/source.tsx'
import { Empty, Loaded } from '../ui/state.tsx'
import { FirstSteps } from '../start/first-steps.tsx'
import { WallRow } from './wall-row.tsx'
import { Wall } from './wall-query.ts'

const pageSize = 50

/** A row a route, moving: what is configured over what happens. */
export function WallPanel() {
  const [first, setFirst] = useState(pageSize)
  const [search, setSearch] = useState('')
  const variables = { first, search: useDeferredValue(search) || null }
  const { data, fault } = useConfigQuery(Wall, variables)
  return (
    <section className="panel wall" aria-labelledby="wall-title">
      <header>
        <h2 id="wall-title">Routes</h2>
        <input
          type="search"
          aria-label="Find a route"
          placeholder="Find a route"
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
        <Source of="The wall" document={Wall} variables={variables} />
      </header>
      <Loaded data={data} fault={fault}>
        {({ routes: { edges, totalCount } }) => (
          <>
            {totalCount === 0 && (search ? <Empty>No route has “{search}” in its name.</Empty> : <FirstSteps />)}
            <ul className="wall-rows">
              {edges.map(({ node }) => (
                <WallRow key={node.id} route={node} />
              ))}
            </ul>
            {edges.length < totalCount && (
              <button type="button" onClick={() => setFirst(Math.min(first + pageSize, 100))} disabled={first >= 100}>
                {first >= 100 ? `${totalCount - edges.length} more: find them by name` : `Show more of ${totalCount}`}
              </button>
            )}
          </>
        )}
      </Loaded>
    </section>
  )
}
