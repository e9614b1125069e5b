/** Lets a share of the clients go, so that a balancer spreads them anew. */
import { useState } from 'react';
import { toast } from 'sonner';
import { ConfirmButton } from '../parts/confirm-button.js';
import { useOperator } from './operator-api.js';

export function Rebalance() {
  const operator = useOperator();
  const [percent, setPercent] = useState(10);

  async function run(): Promise<void> {
    try {
      const { going } = await operator.act<{ going: number }>('/ws/rebalance', 'POST', { share: percent / 100 });
      toast.success(`${going} connections are told to come back elsewhere`);
    } catch (error) {
      toast.error((error as Error).message);
    }
  }

  return (
    <section className="card form" aria-labelledby="rebalance-title">
      <h2 id="rebalance-title">Rebalance</h2>
      <p className="quiet">
        After gateways have been added: so many clients of each are told to come back, wherever a balancer then leads
        them.
      </p>
      <label htmlFor="share">Share of the connections to let go, in per cent</label>
      <div className="inline">
        <input
          id="share"
          type="number"
          min="0"
          max="100"
          value={percent}
          onChange={({ target }) => setPercent(Number(target.value))}
        />
        <ConfirmButton onConfirm={() => void run()}>Rebalance</ConfirmButton>
      </div>
    </section>
  );
}
