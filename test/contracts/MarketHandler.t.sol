// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {IOfferRegistry} from "../../contracts/interfaces/IOfferRegistry.sol";
import {JobState} from "../../contracts/libraries/JobStates.sol";
import {MarketTest} from "./MarketTest.sol";

/// @notice Acts on a market at random, well and badly, beside a model of its own that says of each call whether
/// it must succeed and what it moves. Any difference reverts, and a revert fails the run.
contract MarketHandler is MarketTest {
    struct Record {
        JobState state;
        IJobEscrow.JobTerms terms;
        IJobEscrow.Outcome outcome;
        IJobEscrow.Payout[2] payouts;
        bool[2] claimed;
        /// Indices of the data sets, ascending, what the job spends of each budget, and whether it was given back.
        uint256[] sets;
        IJobEscrow.JobSpec spec;
        bool joined;
        bool returned;
        uint256 windowEndSec;
        uint256 paidWei;
        uint256 refundedWei;
    }

    address[2] private _buyers = [address(0xb0b), address(0xb1b)];
    IOfferRegistry.OfferUse[] private _refs;
    /// What is left of each budget.
    uint256[3] private _left = [uint256(BUDGET), BUDGET, BUDGET];
    mapping(uint256 jobId => Record) private _records;
    uint256 public jobs;
    /// How often a job went from one state to another.
    mapping(JobState from => mapping(JobState to => uint256)) public moves;
    /// How many claims were paid.
    uint256 public claims;
    /// How many jobs gave their budget back.
    uint256 public returns_;
    /// How many jobs were refused for a budget.
    uint256 public exhausted;
    uint64 private constant BUDGET = 600;
    uint96 private constant RHO_PRICE = 3;

    function setUp() public override {
        super.setUp();
        for (uint256 i; i < 3; ++i) {
            IOfferRegistry.OfferInput memory input = _input(string(abi.encode("budget", i)));
            input.budgetMicroRho = BUDGET;
            input.terms.rhoPriceWei = RHO_PRICE;
            vm.prank(SELLER);
            offers.publish(input);
            _refs.push(_use(SELLER, _commit(SELLER, input), input.terms));
        }
        for (uint256 i; i < 2; ++i) vm.deal(_buyers[i], 100_000 ether);
    }

    // ---- what can happen ---------------------------------------------------------------------------

    function fund(uint256 who, uint256 duration, uint256 mask, int8 wrong) external {
        mask = mask % 7 + 1;
        uint256 count = (mask & 1) + ((mask >> 1) & 1) + (mask >> 2);
        IOfferRegistry.OfferUse[] memory refs = new IOfferRegistry.OfferUse[](count);
        uint256[] memory ids = new uint256[](count);
        // One job in sixteen wants an exact result, which no budget with a limit allows.
        uint64 microRho = duration % 16 == 0 ? EXACT : uint64(duration % 60);
        uint256 priceWei = 3 * uint256(FEE);
        bool enough = true;
        for (uint256 i; i < 3; ++i) {
            if ((mask >> i) & 1 == 0) continue;
            refs[--count] = _refs[i];
            ids[count] = i + 1;
            priceWei += _refs[i].terms.priceWei + (microRho == EXACT ? 0 : RHO_PRICE * uint256(microRho));
            enough = enough && microRho <= _left[i];
        }
        _reverse(refs, ids);
        IJobEscrow.JobRequest memory request = _request(refs);
        request.microRho = microRho;
        request.deadlineSec = uint64(block.timestamp + 60 + duration % 400);
        // One call in four offers a few wei too many or too few.
        uint256 sentWei = wrong % 4 == 1 ? priceWei + uint256(int256(wrong)) : priceWei;
        if (wrong % 4 == -1) sentWei = priceWei - uint256(-int256(wrong));
        address buyer = _buyers[who % 2];
        vm.prank(buyer);
        try escrow.createJob{value: sentWei}(request) returns (uint256 jobId) {
            _true(sentWei == priceWei, "a wrong price was taken");
            _true(enough, "a budget was overdrawn");
            _true(jobId == ++jobs, "ids count up");
            _records[jobId].terms = _terms(buyer, request, ids, priceWei);
            _records[jobId].spec = _spec(request, ids);
            for (uint256 i; i < ids.length; ++i) {
                _records[jobId].sets.push(ids[i] - 1);
                _left[ids[i] - 1] -= microRho;
            }
            _moved(jobId, JobState.Funded);
        } catch {
            _true(sentWei != priceWei || !enough, "the right price was refused");
            if (!enough) ++exhausted;
        }
    }

    /// Gives back what a job reserved; due once, after an end before the operators joined.
    function returnBudget(uint256 which, uint256 spoil) external {
        (uint256 jobId, Record storage record) = _pick(which);
        if (jobId == 0) return;
        IJobEscrow.JobSpec memory spec = record.spec;
        bool over = record.state == JobState.Failed || record.state == JobState.Refunded
            || (record.state == JobState.Funded && !_inTime(record));
        bool due = over && !record.joined && !record.returned && !_bad(spoil);
        if (_bad(spoil)) spec.microRho += 1;
        address[] memory sellers = new address[](record.sets.length);
        for (uint256 i; i < sellers.length; ++i) sellers[i] = SELLER;
        try escrow.returnBudget(jobId, record.terms, spec, sellers) {
            _true(due, "a budget came back that was not due");
            record.returned = true;
            ++returns_;
            for (uint256 i; i < sellers.length; ++i) _left[record.sets[i]] += spec.microRho;
        } catch {
            _true(!due, "a budget that was due was kept");
        }
    }

    function join(uint256 which, uint256 spoil) external {
        (uint256 jobId, Record storage record) = _pick(which);
        if (jobId == 0) return;
        bool due = record.state == JobState.Funded && _inTime(record) && !_bad(spoil);
        bytes32[2][3] memory signatures = _spoiled(_joinHash(jobId, record.terms.specHash), jobId, spoil);
        try escrow.join(jobId, record.terms, signatures) {
            _true(due, "a join that is not due");
            record.joined = true;
            _moved(jobId, JobState.Joined);
        } catch {
            _true(!due, "a due join was refused");
        }
    }

    function attest(uint256 which, uint256 firstWei, uint256 secondWei, uint256 spoil) external {
        (uint256 jobId, Record storage record) = _pick(which);
        if (jobId == 0) return;
        bool due = record.state == JobState.Joined && _inTime(record) && !_bad(spoil);
        // Sometimes more in all than the job holds.
        uint256 modulus = uint256(record.terms.amountWei) * 3 / 4;
        IJobEscrow.Payout memory first = IJobEscrow.Payout(jobId % 112, SELLER, firstWei % modulus);
        IJobEscrow.Payout memory second = IJobEscrow.Payout(112 + jobId, members[1], secondWei % modulus);
        IJobEscrow.Attestation memory attestation =
            _attestation(jobId, record.terms, _pair(_leaf(first), _leaf(second)));
        bytes32[2][3] memory signatures = _signAll(_attestDigest(attestation));
        if (_bad(spoil)) signatures[spoil % 3] = _sign(keys[(spoil + 1) % 3], _attestDigest(attestation));
        try escrow.attest(record.terms, attestation, signatures) {
            _true(due, "an attestation that is not due");
            record.outcome = _outcome(record.terms, attestation.payoutRoot);
            (record.payouts[0], record.payouts[1]) = (first, second);
            record.windowEndSec = block.timestamp + WINDOW;
            _moved(jobId, JobState.Attested);
        } catch {
            _true(!due, "a due attestation was refused");
        }
    }

    function accept(uint256 which, uint256 who) external {
        (uint256 jobId, Record storage record) = _pick(which);
        if (jobId == 0) return;
        bool due = record.state == JobState.Attested && _buyers[who % 2] == record.terms.buyer;
        vm.prank(_buyers[who % 2]);
        try escrow.accept(jobId, record.outcome) {
            _true(due, "an acceptance that is not due");
            _moved(jobId, JobState.Settled);
        } catch {
            _true(!due, "a due acceptance was refused");
        }
    }

    function settle(uint256 which) external {
        (uint256 jobId, Record storage record) = _pick(which);
        if (jobId == 0) return;
        bool due = record.state == JobState.Attested && block.timestamp > record.windowEndSec;
        try escrow.settle(jobId, record.outcome) {
            _true(due, "a settlement that is not due");
            _moved(jobId, JobState.Settled);
        } catch {
            _true(!due, "a due settlement was refused");
        }
    }

    function fail(uint256 which, uint8 first, uint8 second) external {
        (uint256 jobId, Record storage record) = _pick(which);
        if (jobId == 0) return;
        (first, second) = (first % 5, second % 5);
        bool running = record.state == JobState.Funded || record.state == JobState.Joined;
        bool due = running && first != second && first % 4 != 0 && second % 4 != 0;
        try escrow.fail(jobId, record.terms, _notices(jobId, first, second)) {
            _true(due, "a failure that is not due");
            _moved(jobId, JobState.Failed);
        } catch {
            _true(!due, "a due failure was refused");
        }
    }

    function refund(uint256 which, uint256 others) external {
        (uint256 jobId, Record storage record) = _pick(which);
        if (jobId == 0) return;
        // One call in four hands in the terms of another job.
        (, Record storage other) = others % 4 == 0 ? _pick(others / 4) : (jobId, record);
        bool expired = (record.state == JobState.Funded || record.state == JobState.Joined) && !_inTime(record);
        bool due = (record.state == JobState.Failed || expired) && _sameTerms(record, other);
        uint256 balance = record.terms.buyer.balance;
        try escrow.refund(jobId, other.terms) {
            _true(due, "a refund that is not due");
            record.refundedWei += record.terms.buyer.balance - balance;
            _moved(jobId, JobState.Refunded);
        } catch {
            _true(!due, "a due refund was refused");
        }
    }

    function claim(uint256 which, uint256 side, uint256 spoil) external {
        (uint256 jobId, Record storage record) = _pick(which);
        if (jobId == 0) return;
        side %= 2;
        IJobEscrow.Payout memory payout = record.payouts[side];
        uint256 leftWei = record.terms.amountWei - record.paidWei;
        bool due = record.state == JobState.Settled && !record.claimed[side] && payout.amountWei <= leftWei;
        bytes32[] memory proof = _proof(_leaf(record.payouts[1 - side]));
        if (spoil % 4 == 0) {
            payout.amountWei += 1;
            due = false;
        }
        uint256 balance = payout.account.balance;
        try escrow.claim(jobId, record.outcome, payout, proof) {
            _true(due, "a claim that is not due");
            record.claimed[side] = true;
            record.paidWei += payout.account.balance - balance;
            ++claims;
        } catch {
            _true(!due, "a due claim was refused");
        }
    }

    function reprice(uint256 which, uint96 priceWei) external {
        which %= 3;
        _refs[which].terms.priceWei = priceWei % 1 ether;
        _relist(_refs[which]);
    }

    function pass(uint256 seconds_) external {
        vm.warp(block.timestamp + seconds_ % 300);
    }

    // ---- what must hold ----------------------------------------------------------------------------

    /// Compares every job with the model, and the money in the escrow with what the jobs are owed.
    function check() external view {
        uint256 owedWei;
        for (uint256 jobId = 1; jobId <= jobs; ++jobId) {
            Record storage record = _records[jobId];
            IJobEscrow.Job memory job = escrow.job(jobId);
            _eq(job.state, record.state);
            uint256 amountWei = record.terms.amountWei;
            bool ended = job.state == JobState.Attested || job.state == JobState.Settled;
            uint256 jobOwedWei = job.state == JobState.Refunded ? 0 : ended ? job.unclaimedWei : amountWei;
            owedWei += jobOwedWei;
            _eq(record.paidWei + record.refundedWei + jobOwedWei, amountWei, "paid, refunded and owed is what came in");
            _true(record.paidWei == 0 || record.refundedWei == 0, "paid or refunded, never both");
            _true(record.refundedWei == 0 || record.refundedWei == amountWei, "refunded as a whole");
            _true(record.paidWei == 0 || job.state == JobState.Settled, "paid when settled only");
            if (ended) _eq(job.windowEndSec, record.windowEndSec, "end of the window");
        }
        for (uint256 i; i < 3; ++i) {
            uint256 left = offers.listing(SELLER, _set(), _refs[i].dataRoot).budgetLeftMicroRho;
            _eq(left, _left[i], "what is left of a budget");
            _true(left <= BUDGET, "a budget grew");
        }
        _eq(escrow.jobCount(), jobs, "number of jobs");
        _eq(address(escrow).balance, owedWei, "the escrow holds what it owes");
        _eq(address(operators).balance, 3 * uint256(BOND), "the registry holds the bonds");
    }

    // ---- the model ---------------------------------------------------------------------------------

    /// Sets the model's state, checks the chain's, and that no state comes back.
    function _moved(uint256 jobId, JobState to) private {
        Record storage record = _records[jobId];
        _true(uint256(to) > uint256(record.state), "a state came back");
        ++moves[record.state][to];
        record.state = to;
        _eq(_state(jobId), to);
    }

    /// A job that there is, or 0.
    function _pick(uint256 which) private view returns (uint256 jobId, Record storage record) {
        // The newest few, so that a job is met often enough to get to its end.
        uint256 recent = jobs < 3 ? jobs : 3;
        jobId = jobs == 0 ? 0 : jobs - which % recent;
        record = _records[jobId];
    }

    function _inTime(Record storage record) private view returns (bool) {
        return block.timestamp <= record.terms.deadlineSec;
    }

    /// One call in four is a bad one.
    function _bad(uint256 spoil) private pure returns (bool) {
        return spoil % 4 == 0;
    }

    /// Signatures over a struct; bad ones are a stranger's, another's, for another job, chain or contract.
    function _spoiled(bytes32 structHash, uint256 jobId, uint256 spoil)
        private
        view
        returns (bytes32[2][3] memory signatures)
    {
        bytes32 digest = _digest(_domain(), structHash);
        signatures = _signAll(digest);
        if (!_bad(spoil)) return signatures;
        uint256 kind = (spoil / 4) % 5;
        uint256 point = (spoil / 20) % 3;
        if (kind == 0) signatures[point] = _sign(0xdead, digest);
        if (kind == 1) signatures[point] = signatures[(point + 1) % 3];
        if (kind == 2) signatures = _signAll(_joinDigest(jobId + 1, _records[jobId].terms.specHash));
        if (kind == 3) signatures = _signAll(_digest(_domainOf(1, address(escrow)), structHash));
        if (kind == 4) signatures = _signAll(_digest(_domainOf(block.chainid, address(operators)), structHash));
    }

    /// Two jobs that a buyer funded alike in one second have equal terms.
    function _sameTerms(Record storage a, Record storage b) private view returns (bool) {
        return keccak256(abi.encode(a.terms)) == keccak256(abi.encode(b.terms));
    }

    function _reverse(IOfferRegistry.OfferUse[] memory refs, uint256[] memory ids) private pure {
        for (uint256 i; i < refs.length / 2; ++i) {
            uint256 j = refs.length - 1 - i;
            (refs[i], refs[j]) = (refs[j], refs[i]);
            (ids[i], ids[j]) = (ids[j], ids[i]);
        }
    }
}
