// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IReviewExchange} from "../../contracts/interfaces/IReviewExchange.sol";
import {SeatState, SessionState} from "../../contracts/libraries/ExchangeStates.sol";
import {Amounts, Schedule} from "../../contracts/libraries/ExchangeTerms.sol";
import {Vm} from "./Vm.sol";

/// @notice An exchange and the steps of a session in the words of the tests. Hashes, indices and keys are computed here
/// a second time, from the documentation and not with the contract's code.
abstract contract ExchangeTest {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    uint256 internal constant START = 1_800_000_000;
    uint256 internal constant DELAY = 30;
    uint256 internal constant PHASE = 200;
    uint88 internal constant REWARD = 100_000;
    uint88 internal constant DEPOSIT = 7000;
    uint16 internal constant BPS = 1000;
    uint256 internal constant COMPENSATION = 10_000;
    uint32 internal constant SHARDS = 8;
    bytes32 internal constant SECRET = keccak256("secret");
    bytes32 internal constant FEATURES = keccak256("features");
    address internal constant COLLECTOR = address(0xc011);
    address internal constant STRANGER = address(0x57a);
    address[3] internal providers = [address(0xaa1), address(0xaa2), address(0xaa3)];

    IReviewExchange internal exchange;

    /// A registration as its provider knows it.
    struct Data {
        address provider;
        uint64 number;
        bytes32 masterKey;
        bytes32[8] keys;
        bytes32[8] ciphertexts;
        bytes32[16] nodes;
        IReviewExchange.Commitment commitment;
        bytes32 seed;
        bytes32 features;
    }

    function setUp() public virtual {
        vm.warp(START);
        bytes memory code =
            bytes.concat(vm.getCode("contracts/ReviewExchange.sol:ReviewExchange"), abi.encode(DELAY));
        address deployed;
        assembly ("memory-safe") {
            deployed := create(0, add(code, 0x20), mload(code))
        }
        _true(deployed != address(0), "deployed");
        exchange = IReviewExchange(deployed);
        vm.deal(COLLECTOR, 1000 ether);
        for (uint256 i; i < 3; ++i) vm.deal(providers[i], 1000 ether);
    }

    // ---- sessions ----------------------------------------------------------------------------------

    function _request() internal view returns (IReviewExchange.SessionRequest memory request) {
        request.reward = REWARD;
        request.deposit = DEPOSIT;
        request.samplingBps = BPS;
        request.minShards = 4;
        request.shardsPerSample = 4;
        request.registerBySec = uint40(block.timestamp + PHASE);
        request.sampleSec = uint32(PHASE);
        request.featuresSec = uint32(PHASE);
        request.reviewSec = uint32(PHASE);
        request.answerSec = uint32(PHASE);
        request.optimalSec = uint32(PHASE);
        request.claimSec = uint32(PHASE);
        request.secretHash = keccak256(abi.encode(SECRET));
        request.extractorHash = keccak256("extractor");
        request.descriptionHash = keccak256("description");
    }

    function _terms(address collector, IReviewExchange.SessionRequest memory r)
        internal
        pure
        returns (IReviewExchange.Terms memory)
    {
        uint256 schedule = r.registerBySec + (uint256(r.sampleSec) << 40) + (uint256(r.featuresSec) << 72)
            + (uint256(r.reviewSec) << 104) + (uint256(r.answerSec) << 136) + (uint256(r.optimalSec) << 168)
            + (uint256(r.claimSec) << 200);
        uint256 amounts = r.reward + (uint256(r.deposit) << 88) + (uint256(r.samplingBps) << 176)
            + (uint256(r.minShards) << 192) + (uint256(r.shardsPerSample) << 224);
        bytes32 context = keccak256(abi.encode(r.secretHash, r.extractorHash, r.descriptionHash));
        return
            IReviewExchange.Terms(collector, Schedule.wrap(schedule), r.token, Amounts.wrap(amounts), context);
    }

    function _conditions(IReviewExchange.Terms memory terms) internal pure returns (bytes32) {
        return keccak256(abi.encode(terms.token, terms.amounts, terms.context));
    }

    function _id(IReviewExchange.Terms memory terms) internal pure returns (bytes32) {
        return keccak256(abi.encode(terms.collector, terms.schedule, _conditions(terms)));
    }

    /// The last second of a phase: 0 registration, 1 sampling, 2 features, 3 review, 4 answer, 5 choice, 6 claim.
    function _end(IReviewExchange.Terms memory terms, uint256 phase) internal pure returns (uint256) {
        return uint40(Schedule.unwrap(terms.schedule)) + phase * PHASE;
    }

    function _open(IReviewExchange.SessionRequest memory request) internal returns (IReviewExchange.Terms memory) {
        vm.prank(COLLECTOR);
        exchange.open{value: request.token == address(0) ? request.reward : 0}(request);
        return _terms(COLLECTOR, request);
    }

    // ---- providers ---------------------------------------------------------------------------------

    function _data(uint256 index, string memory label) internal view returns (Data memory d) {
        d.provider = providers[index % 3];
        d.masterKey = keccak256(abi.encode(label, index));
        d.features = FEATURES;
        for (uint256 i; i < SHARDS; ++i) {
            d.keys[i] = _shardKey(d.masterKey, i);
            d.ciphertexts[i] = keccak256(abi.encode(label, index, i));
        }
        _commit(d);
    }

    /// The tree over the keys and ciphertexts as they are now.
    function _commit(Data memory d) internal pure {
        for (uint256 i; i < SHARDS; ++i) {
            bytes32 keyHash = keccak256(abi.encode(d.keys[i]));
            d.nodes[8 + i] = keccak256(bytes.concat(keccak256(abi.encode(i, d.ciphertexts[i], keyHash))));
        }
        for (uint256 i = 7; i > 0; --i) {
            (bytes32 a, bytes32 b) = (d.nodes[2 * i], d.nodes[2 * i + 1]);
            d.nodes[i] = a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
        }
        d.commitment = IReviewExchange.Commitment(d.nodes[1], keccak256(abi.encode(d.masterKey)), SHARDS);
    }

    function _seat(Data memory d) internal pure returns (uint256) {
        return (uint256(uint160(d.provider)) << 64) + d.number;
    }

    function _shardKey(bytes32 masterKey, uint256 index) internal pure returns (bytes32) {
        return keccak256(abi.encode(masterKey, index));
    }

    /// Two of eight shards, by the stated rule: one of the first four, one of the last four.
    function _drawn(bytes32 seed) internal pure returns (uint256[2] memory drawn) {
        drawn[0] = uint256(keccak256(abi.encode(seed, 0))) % 4;
        drawn[1] = 4 + uint256(keccak256(abi.encode(seed, 4))) % 4;
    }

    function _openings(Data memory d) internal pure returns (IReviewExchange.ShardOpening[] memory openings) {
        openings = new IReviewExchange.ShardOpening[](2);
        uint256[2] memory drawn = _drawn(d.seed);
        for (uint256 i; i < 2; ++i) {
            bytes32[] memory proof = new bytes32[](3);
            uint256 node = 8 + drawn[i];
            for (uint256 level; level < 3; ++level) {
                proof[level] = d.nodes[node ^ 1];
                node /= 2;
            }
            openings[i] = IReviewExchange.ShardOpening(d.keys[drawn[i]], d.ciphertexts[drawn[i]], proof);
        }
    }

    // ---- facts -------------------------------------------------------------------------------------

    /// What a seat is bound to in each state.
    function _facts(Data memory d, SeatState state) internal pure returns (bytes32 facts) {
        facts = keccak256(abi.encode(d.commitment));
        if (state >= SeatState.Sampled) facts = keccak256(abi.encode(facts, d.seed));
        if (state >= SeatState.Delivered) facts = keccak256(abi.encode(facts, d.features));
        if (state == SeatState.Answered) {
            uint256[2] memory drawn = _drawn(d.seed);
            facts = keccak256(
                abi.encode(facts, keccak256(abi.encodePacked(d.keys[drawn[0]], d.keys[drawn[1]])))
            );
        }
    }

    // ---- steps, each at whatever time it is --------------------------------------------------------

    function _deposit(Data memory d, uint256 amount) internal {
        vm.prank(d.provider);
        exchange.deposit{value: amount}(d.number);
    }

    function _register(IReviewExchange.Terms memory terms, Data memory d) internal {
        vm.prank(d.provider);
        exchange.register(terms, d.number, d.commitment);
    }

    function _sample(IReviewExchange.Terms memory terms, Data memory d) internal {
        _sampleWith(COLLECTOR, terms, d, SECRET);
        d.seed = keccak256(abi.encode(SECRET, _id(terms), _seat(d), keccak256(abi.encode(d.commitment))));
    }

    function _sampleWith(address by, IReviewExchange.Terms memory terms, Data memory d, bytes32 secret) internal {
        IReviewExchange.Opening memory opening = IReviewExchange.Opening(
            terms.schedule, terms.token, terms.amounts, secret, keccak256("extractor"), keccak256("description")
        );
        vm.prank(by);
        exchange.sample(opening, _seat(d), keccak256(abi.encode(d.commitment)));
    }

    function _accuse(IReviewExchange.Terms memory terms, Data memory d) internal {
        vm.prank(COLLECTOR);
        exchange.accuse(terms.schedule, _conditions(terms), _seat(d), _facts(d, SeatState.Sampled));
    }

    function _deliver(IReviewExchange.Terms memory terms, Data memory d) internal {
        vm.prank(d.provider);
        exchange.deliver(terms, d.number, _facts(d, SeatState.Sampled), d.features);
    }

    function _candidate(IReviewExchange.Terms memory terms, Data memory d) internal {
        vm.prank(COLLECTOR);
        exchange.candidate(terms.schedule, _conditions(terms), _seat(d), _facts(d, SeatState.Sampled), d.features);
    }

    function _review(IReviewExchange.Terms memory terms, Data memory d) internal {
        vm.prank(COLLECTOR);
        exchange.reviewSample(terms.schedule, _conditions(terms), _seat(d), _facts(d, SeatState.Candidate));
    }

    function _answer(IReviewExchange.Terms memory terms, Data memory d) internal {
        vm.prank(d.provider);
        exchange.answer(terms, d.number, d.commitment, d.seed, d.features, _openings(d));
    }

    function _optimal(IReviewExchange.Terms memory terms, Data memory d) internal {
        vm.prank(COLLECTOR);
        exchange.optimal(terms.schedule, _conditions(terms), _seat(d));
    }

    function _claim(IReviewExchange.Terms memory terms, Data memory d) internal {
        vm.prank(d.provider);
        exchange.claim(
            terms,
            d.number,
            IReviewExchange.Claim(d.commitment.shardRoot, SHARDS, d.seed, d.features, d.masterKey)
        );
    }

    function _release(IReviewExchange.Terms memory terms, Data memory d, SeatState state) internal {
        exchange.release(terms, _seat(d), _facts(d, state));
    }

    function _forfeit(IReviewExchange.Terms memory terms, Data memory d, SeatState state) internal {
        exchange.forfeit(terms, _seat(d), _facts(d, state));
    }

    /// A registration taken to a state at the earliest times, together with `count` - 1 others.
    function _reach(IReviewExchange.Terms memory terms, uint256 count, SeatState state)
        internal
        returns (Data[] memory all)
    {
        all = new Data[](count);
        for (uint256 i; i < count; ++i) {
            all[i] = _data(i, "data");
            _deposit(all[i], DEPOSIT);
            _register(terms, all[i]);
        }
        if (state == SeatState.Registered) return all;
        vm.warp(_end(terms, 0) + DELAY);
        for (uint256 i; i < count; ++i) _sample(terms, all[i]);
        if (state == SeatState.Sampled) return all;
        if (state == SeatState.Accused || state == SeatState.Delivered) {
            vm.warp(_end(terms, 2) + 1);
            for (uint256 i; i < count; ++i) _accuse(terms, all[i]);
            for (uint256 i; i < count && state == SeatState.Delivered; ++i) _deliver(terms, all[i]);
            return all;
        }
        for (uint256 i; i < count; ++i) _candidate(terms, all[i]);
        if (state == SeatState.Candidate) return all;
        for (uint256 i; i < count; ++i) _review(terms, all[i]);
        if (state == SeatState.Reviewing) return all;
        vm.warp(_end(terms, 3) + 1);
        for (uint256 i; i < count; ++i) _answer(terms, all[i]);
    }

    /// A session of its own that the registration has won.
    function _won(Data memory d) internal returns (IReviewExchange.Terms memory terms) {
        terms = _open(_request());
        _toAnswered(terms, d);
        vm.warp(_end(terms, 4) + 1);
        _optimal(terms, d);
    }

    // ---- refusals ----------------------------------------------------------------------------------

    function _toAnswered(IReviewExchange.Terms memory terms, Data memory d) internal {
        _deposit(d, DEPOSIT);
        _register(terms, d);
        vm.warp(_end(terms, 0) + DELAY);
        _sample(terms, d);
        _candidate(terms, d);
        _review(terms, d);
        vm.warp(_end(terms, 3) + 1);
        _answer(terms, d);
    }

    function _answerWith(
        IReviewExchange.Terms memory terms,
        Data memory d,
        IReviewExchange.ShardOpening[] memory openings
    ) internal {
        vm.prank(d.provider);
        exchange.answer(terms, d.number, d.commitment, d.seed, d.features, openings);
    }

    function _refused(bytes memory reason) internal {
        vm.expectRevert(reason);
    }

    function _mismatch(Data memory d) internal {
        vm.expectRevert(abi.encodeWithSelector(IReviewExchange.FactsMismatch.selector, _seat(d)));
    }

    function _late(IReviewExchange.Terms memory terms, uint256 phase) internal {
        _refused(abi.encodeWithSelector(IReviewExchange.TooLate.selector, _id(terms), _end(terms, phase)));
    }

    function _early(IReviewExchange.Terms memory terms, uint256 phase) internal {
        _refused(abi.encodeWithSelector(IReviewExchange.TooEarly.selector, _id(terms), _end(terms, phase) + 1));
    }

    function _refusedSeat(Data memory d, SeatState from, SeatState to) internal {
        _refused(abi.encodeWithSelector(IReviewExchange.SeatTransitionRefused.selector, _seat(d), from, to));
    }

    function _refusedSession(IReviewExchange.Terms memory terms, SessionState from, SessionState to) internal {
        _refused(
            abi.encodeWithSelector(IReviewExchange.SessionTransitionRefused.selector, _id(terms), from, to)
        );
    }

    // ---- assertions --------------------------------------------------------------------------------

    error NotEqual(uint256 found, uint256 expected, string what);
    error NotTrue(string what);

    function _eq(uint256 found, uint256 expected, string memory what) internal pure {
        if (found != expected) revert NotEqual(found, expected, what);
    }

    function _true(bool holds, string memory what) internal pure {
        if (!holds) revert NotTrue(what);
    }

    function _state(Data memory d) internal view returns (SeatState state) {
        (state,,,) = exchange.seatOf(_seat(d));
    }

    function _held(Data memory d) internal view returns (uint256 amount) {
        (,,, amount) = exchange.seatOf(_seat(d));
    }

    function _sessionState(IReviewExchange.Terms memory terms) internal view returns (SessionState state) {
        (state,,) = exchange.sessionOf(_id(terms));
    }
}
