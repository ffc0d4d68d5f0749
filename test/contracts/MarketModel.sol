// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDisputes} from "../../contracts/interfaces/IDisputes.sol";
import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {IOfferRegistry} from "../../contracts/interfaces/IOfferRegistry.sol";
import {JobState} from "../../contracts/libraries/JobStates.sol";
import {DisputesTest} from "./DisputesTest.sol";
import {PlainToken} from "./HostileTokens.sol";

/// @notice What the walk over a market knows of it, and what must hold between the two.
abstract contract MarketModel is DisputesTest {
    /// Three data sets are priced in ETH, the others in a token.
    uint256 internal constant SETS = 5;
    uint256 internal constant IN_ETH = 3;
    uint64 internal constant BUDGET = 600;
    uint96 internal constant RHO_PRICE = 3;
    uint88 internal constant TOKEN_FEE = 20;
    address internal constant BURNT = address(0xdEaD);

    struct Record {
        JobState state;
        IJobEscrow.JobTerms terms;
        IJobEscrow.JobSpec spec;
        IJobEscrow.Outcome outcome;
        IJobEscrow.ResultParts parts;
        IJobEscrow.Payout[2] payouts;
        bool[2] claimed;
        /// The operators that it was funded with.
        uint256 generation;
        /// Indices of the data sets.
        uint256[] sets;
        bool joined;
        bool returned;
        uint256 windowEndSec;
        uint256 paid;
        uint256 refunded;
        /// The point whose first share is off the line; 0 for none.
        uint256 bent;
        /// Of the open challenges of chunk 0, by point.
        uint256[4] dueSec;
        /// Whether chunk 0 was ever asked for, by point.
        bool[4] asked;
        uint256 open;
        uint256 heldUntilSec;
    }

    /// Whoever is slashed is replaced, and all data is shared anew to the three.
    struct Generation {
        address[3] members;
        uint256[3] keys;
        bytes32[SETS] roots;
        /// What is left of each budget.
        uint64[SETS] left;
    }

    address[2] internal _buyers = [address(0xb0b), address(0xb1b)];
    PlainToken internal _token;
    Generation[] internal _generations;
    uint96[SETS] internal _prices;
    bytes32[] internal _jobs;
    mapping(bytes32 job => Record) internal _records;
    mapping(address operator => uint256) internal _bonds;
    uint256 internal _allBonds;
    uint256 internal _allFees;
    mapping(address buyer => uint256) internal _returnedFees;
    uint256 internal _burnt;
    /// How often a job went from one state to another.
    mapping(JobState from => mapping(JobState to => uint256)) public moves;
    /// How often other things came about.
    mapping(bytes32 what => uint256) public happened;

    function setUp() public virtual override {
        super.setUp();
        _token = new PlainToken();
        Generation storage first = _generations.push();
        first.members = members;
        first.keys = keys;
        for (uint256 i; i < 3; ++i) {
            vm.prank(members[i]);
            operators.acceptToken(address(_token), TOKEN_FEE);
            _bonds[members[i]] = BOND;
        }
        _allBonds = 3 * uint256(BOND);
        for (uint256 i; i < SETS; ++i) {
            _prices[i] = PRICE;
            IOfferRegistry.OfferInput memory input = _inputOf(i, BUDGET);
            vm.prank(SELLER);
            first.roots[i] = offers.publish(input);
            first.left[i] = BUDGET;
        }
        for (uint256 i; i < 2; ++i) {
            vm.deal(_buyers[i], 100_000 ether);
            _token.mint(_buyers[i], 1e30);
        }
    }

    // ---- offers ------------------------------------------------------------------------------------

    function _rulesOf(uint256 set) internal view returns (IOfferRegistry.Rules[] memory rules) {
        if (set < IN_ETH) return rules;
        rules = new IOfferRegistry.Rules[](1);
        rules[0].token = address(_token);
    }

    function _termsOf(uint256 set) internal view returns (IOfferRegistry.UseTerms memory terms) {
        terms = _useTerms();
        (terms.price, terms.rhoPrice) = (_prices[set], RHO_PRICE);
        if (set >= IN_ETH) terms.rulesHash = keccak256(abi.encode(_rulesOf(set)[0]));
    }

    /// The data set as it is shared to the members of now.
    function _inputOf(uint256 set, uint64 budget) internal view returns (IOfferRegistry.OfferInput memory input) {
        input = _input(string(abi.encode("set", set, _generations.length)));
        (input.budgetMicroRho, input.terms, input.rules) = (budget, _termsOf(set), _rulesOf(set));
    }

    function _useOf(uint256 set) internal view returns (IOfferRegistry.OfferUse memory use) {
        use = _use(SELLER, _generations[_generations.length - 1].roots[set], _termsOf(set));
        if (set < IN_ETH) return use;
        use.rules = new IOfferRegistry.RulesUse[](1);
        use.rules[0].rules = _rulesOf(set)[0];
    }

    // ---- operators ---------------------------------------------------------------------------------

    /// Lets the steps of the tests act with the operators of a generation.
    function _load(uint256 generation) internal {
        members = _generations[generation].members;
        keys = _generations[generation].keys;
    }

    /// Takes a bond off the model, and lets a newcomer take the place of the operator.
    function _slashed(address operator) internal returns (uint256 rewardWei) {
        uint256 bondWei = _bonds[operator];
        if (bondWei == 0) return 0;
        rewardWei = bondWei / 10;
        _bonds[operator] = 0;
        _allBonds -= bondWei;
        _burnt += bondWei - rewardWei;
        _load(_generations.length - 1);
        for (uint256 i; i < 3; ++i) if (members[i] == operator) _renew(i);
        ++happened["slashed"];
    }

    function _renew(uint256 index) private {
        uint256 number = _generations.length;
        bytes32 oldSet = _set();
        (members[index], keys[index]) = (address(uint160(0xa000 + number)), 0x9000 + number);
        vm.deal(members[index], BOND);
        _register(members[index], keys[index]);
        (_bonds[members[index]], _allBonds) = (BOND, _allBonds + BOND);
        vm.prank(members[index]);
        operators.acceptToken(address(_token), TOKEN_FEE);
        operators.createSet(members);
        for (uint256 i; i < 3; ++i) {
            vm.prank(members[i]);
            operators.approve(_set(), ALGORITHM);
        }
        Generation storage renewed = _generations.push();
        Generation storage old = _generations[number - 1];
        renewed.members = members;
        renewed.keys = keys;
        for (uint256 i; i < SETS; ++i) {
            IOfferRegistry.OfferInput memory input = _inputOf(i, old.left[i]);
            vm.prank(SELLER);
            renewed.roots[i] = offers.replace(input, oldSet, old.roots[i]);
            (renewed.left[i], old.left[i]) = (old.left[i], 0);
        }
    }

    // ---- jobs --------------------------------------------------------------------------------------

    /// Sets the model's state, checks the chain's, and that no state comes back.
    function _moved(bytes32 job, JobState to) internal {
        Record storage record = _records[job];
        _true(uint256(to) > uint256(record.state), "a state came back");
        ++moves[record.state][to];
        record.state = to;
        _eq(_state(job), to);
    }

    /// A job that there is, or 0.
    function _pick(uint256 which) internal returns (bytes32 job, Record storage record) {
        uint256 count = _jobs.length;
        // The newest few, so that a job is met often enough to get to its end.
        if (count > 0) job = _jobs[count - 1 - which % (count < 3 ? count : 3)];
        record = _records[job];
        _load(record.generation);
    }

    /// Until when an unfinished job can go on.
    function _lastSec(Record storage record) internal view returns (uint256) {
        return record.terms.deadlineSec + (record.state == JobState.Joined ? GRACE : 0);
    }

    function _isUnfinished(Record storage record) internal view returns (bool) {
        return record.state == JobState.Funded || record.state == JobState.Joined;
    }

    /// Ended, and never attested.
    function _isOver(Record storage record) internal view returns (bool) {
        if (record.windowEndSec != 0) return false;
        return record.state == JobState.Failed || record.state == JobState.Refunded
            || (_isUnfinished(record) && block.timestamp > _lastSec(record));
    }

    /// Two coordinates, of which the first may be off the line.
    function _sharesOf(bytes32 job) internal view returns (Shares memory shares) {
        shares = _shared(BITS, 2, uint256(job));
        if (_records[job].bent != 0) _bend(shares, _records[job].bent, 0, 1);
    }

    function _toldOf(bytes32 job) internal view returns (Told memory told) {
        Record storage record = _records[job];
        (told.job, told.terms, told.outcome, told.parts) = (job, record.terms, record.outcome, record.parts);
        told.shares = _sharesOf(job);
    }

    function _balance(address token, address account) internal view returns (uint256) {
        return token == address(0) ? account.balance : PlainToken(token).balanceOf(account);
    }

    /// One call in four is a bad one.
    function _bad(uint256 spoil) internal pure returns (bool) {
        return spoil % 4 == 0;
    }

    // ---- what must hold ----------------------------------------------------------------------------

    /// Compares every job with the model, and the money in the contracts with what they owe.
    function check() external view {
        uint256 owedWei;
        uint256 owedTokens;
        for (uint256 i; i < _jobs.length; ++i) {
            uint256 owed = _checked(_jobs[i]);
            if (_records[_jobs[i]].terms.token == address(0)) owedWei += owed;
            else owedTokens += owed;
        }
        _eq(address(escrow).balance, owedWei, "the escrow holds the ETH that it owes");
        _eq(_token.balanceOf(address(escrow)), owedTokens, "and the tokens");
        _eq(address(operators).balance, _allBonds, "the registry holds the bonds");
        _eq(address(disputes).balance, _allFees, "the fees of open challenges, and those not fetched");
        for (uint256 i; i < 2; ++i) {
            _eq(disputes.returnedFeesWei(_buyers[i]), _returnedFees[_buyers[i]], "the fees of a buyer");
        }
        _eq(BURNT.balance, _burnt, "what was burnt");
        for (uint256 set; set < SETS; ++set) _checkBudget(set);
    }

    /// What is owed on a job.
    function _checked(bytes32 job) private view returns (uint256 owed) {
        Record storage record = _records[job];
        IJobEscrow.Job memory stored = escrow.jobOf(job);
        _eq(stored.state, record.state);
        uint256 amount = record.terms.amount;
        bool attested = stored.state >= JobState.Attested && stored.state <= JobState.Settled;
        if (stored.state != JobState.Refunded) owed = attested ? stored.unclaimed : amount;
        _eq(record.paid + record.refunded + owed, amount, "paid, refunded and owed is what came in");
        _true(record.paid == 0 || record.refunded == 0, "paid or refunded, never both");
        _true(record.refunded == 0 || record.refunded == amount, "refunded as a whole");
        _true(record.paid == 0 || stored.state == JobState.Settled, "paid when settled only");
        _eq(stored.windowEndSec, record.windowEndSec, "end of the window");
        _true(stored.budgetReturned == record.returned || attested, "whether the budget came back");
        uint256 held = record.open == 0 ? record.heldUntilSec : type(uint256).max;
        _eq(disputes.heldUntilSec(job), held, "until when it is held up");
        _true(record.open == 0 || stored.state != JobState.Settled, "settled with an open challenge");
        for (uint8 point = 1; point <= 3; ++point) {
            _eq(disputes.dueSec(job, point, 0), record.dueSec[point], "when an answer is due");
        }
    }

    /// All generations of a data set together have never more than there was.
    function _checkBudget(uint256 set) private view {
        uint256 sum;
        for (uint256 i; i < _generations.length; ++i) {
            Generation storage generation = _generations[i];
            bytes32 operatorSet = _setOf(generation.members);
            uint256 left = offers.listing(SELLER, operatorSet, generation.roots[set]).budgetLeftMicroRho;
            _eq(left, generation.left[set], "what is left of a budget");
            sum += left;
        }
        _true(sum <= BUDGET, "a budget grew");
    }
}
