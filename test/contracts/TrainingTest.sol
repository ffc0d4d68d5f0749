// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IGradientRounds} from "../../contracts/interfaces/IGradientRounds.sol";
import {OwnerStatus} from "../../contracts/libraries/TrainingSlots.sol";
import {TrainingState} from "../../contracts/libraries/TrainingStates.sol";
import {MarketTest} from "./MarketTest.sol";

/// @notice The steps of a training in the words of the tests. Hashes and digests are computed here a second time,
/// from the documentation.
abstract contract TrainingTest is MarketTest {
    uint32 internal constant EVIDENCE = 500;
    uint96 internal constant REWARD = 70_000;
    uint96 internal constant ROUND_FEE = 3 * uint96(FEE);
    uint96 internal constant DEPOSIT = 901;
    uint32 internal constant JOIN = 100;
    uint32 internal constant COMMIT = 200;
    uint32 internal constant ATTEST = 300;
    uint256 internal constant OWNERS = 7;
    address internal constant MODEL_OWNER = address(0x40de1);
    bytes internal constant MODEL_SPEC = '{"dimension":10}';

    IGradientRounds internal rounds;

    function setUp() public virtual override {
        super.setUp();
        rounds = IGradientRounds(_deploy("GradientRounds", abi.encode(operators, EVIDENCE)));
        vm.deal(MODEL_OWNER, 100 ether);
        for (uint256 i; i < OWNERS; ++i) vm.deal(_owner(i), 1 ether);
    }

    function _ownerKey(uint256 i) internal pure returns (uint256) {
        return 0x2001 + i;
    }

    function _owner(uint256 i) internal pure returns (address) {
        return vm.addr(_ownerKey(i));
    }

    // ---- opening -----------------------------------------------------------------------------------

    function _asked() internal view returns (IGradientRounds.TrainingRequest memory request) {
        request.members = members;
        request.algorithm = ALGORITHM;
        request.reward = REWARD;
        request.fee = ROUND_FEE;
        request.deposit = DEPOSIT;
        request.rounds = 3;
        request.minOwners = 5;
        request.maxOwners = 6;
        request.maxByzantine = 1;
        request.joinSec = JOIN;
        request.commitSec = COMMIT;
        request.attestSec = ATTEST;
        request.modelHashes = _hashes("model", 0);
        request.spec = MODEL_SPEC;
    }

    function _hashes(string memory label, uint256 number) internal pure returns (bytes32[3] memory hashes) {
        for (uint256 i; i < 3; ++i) hashes[i] = keccak256(abi.encode(label, number, i));
    }

    function _root(uint256 id, uint256 round, address owner, bytes32[3] memory hashes)
        internal
        view
        returns (bytes32)
    {
        return keccak256(
            abi.encode(block.chainid, address(rounds), id, round, owner, hashes[0], hashes[1], hashes[2])
        );
    }

    function _termsFor(IGradientRounds.TrainingRequest memory request)
        internal
        view
        returns (IGradientRounds.TrainingTerms memory terms)
    {
        terms.modelOwner = MODEL_OWNER;
        terms.token = request.token;
        terms.reward = request.reward;
        terms.fee = request.fee;
        terms.deposit = request.deposit;
        terms.rounds = request.rounds;
        terms.minOwners = request.minOwners;
        terms.maxOwners = request.maxOwners;
        terms.maxByzantine = request.maxByzantine;
        terms.joinSec = request.joinSec;
        terms.commitSec = request.commitSec;
        terms.attestSec = request.attestSec;
        bytes32 modelRoot = _root(0, 0, MODEL_OWNER, request.modelHashes);
        terms.specHash = keccak256(abi.encode(request.algorithm, _set(), modelRoot, keccak256(request.spec)));
        for (uint256 i; i < 3; ++i) terms.signers[i] = vm.addr(keys[i]);
    }

    function _cost(IGradientRounds.TrainingTerms memory terms) internal pure returns (uint256) {
        return uint256(terms.rounds) * (uint256(terms.reward) + terms.fee);
    }

    function _openWith(IGradientRounds.TrainingRequest memory request)
        internal
        returns (uint256 id, IGradientRounds.TrainingTerms memory terms)
    {
        terms = _termsFor(request);
        uint256 sentWei = request.token == address(0) ? _cost(terms) : 0;
        vm.prank(MODEL_OWNER);
        id = rounds.open{value: sentWei}(request);
    }

    function _opened() internal returns (uint256 id, IGradientRounds.TrainingTerms memory terms) {
        return _openWith(_asked());
    }

    // ---- rounds ------------------------------------------------------------------------------------

    function _join(uint256 id, IGradientRounds.TrainingTerms memory terms, uint256 i) internal {
        vm.prank(_owner(i));
        rounds.join{value: terms.token == address(0) ? terms.deposit : 0}(id, terms);
    }

    function _joinAll(uint256 id, IGradientRounds.TrainingTerms memory terms, uint256 count) internal {
        for (uint256 i; i < count; ++i) _join(id, terms, i);
    }

    function _start(uint256 id, IGradientRounds.TrainingTerms memory terms) internal {
        vm.warp(rounds.training(id).phaseEndSec + 1);
        rounds.startRound(id, terms);
    }

    function _commitUpdate(uint256 id, uint256 i) internal {
        uint256 round = rounds.training(id).round;
        vm.prank(_owner(i));
        rounds.commit(id, round, _hashes("update", 100 * round + i));
    }

    /// A training of five data owners that have all committed to round 1.
    function _committed() internal returns (uint256 id, IGradientRounds.TrainingTerms memory terms) {
        (id, terms) = _opened();
        _joinAll(id, terms, 5);
        _start(id, terms);
        for (uint256 i; i < 5; ++i) _commitUpdate(id, i);
    }

    function _roundAttestation(uint256 id, bytes32 payoutRoot)
        internal
        view
        returns (IGradientRounds.RoundAttestation memory)
    {
        IGradientRounds.Training memory now_ = rounds.training(id);
        return IGradientRounds.RoundAttestation(
            id, now_.round, now_.inputRoot, keccak256("result"), payoutRoot, now_.committed
        );
    }

    function _attestWith(IGradientRounds.TrainingTerms memory terms, IGradientRounds.RoundAttestation memory a)
        internal
    {
        bytes32[2][3] memory signatures = _signAll(_roundDigest(a));
        rounds.attest(terms, a, signatures);
    }

    function _attestRound(uint256 id, IGradientRounds.TrainingTerms memory terms, bytes32 payoutRoot) internal {
        _attestWith(terms, _roundAttestation(id, payoutRoot));
    }

    // ---- payouts -----------------------------------------------------------------------------------

    function _payoutLeaf(IGradientRounds.RoundPayout memory payout) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(payout.index, payout.account, payout.amount))));
    }

    /// A claim of the left of two leaves.
    function _claimOf(
        uint256 id,
        uint256 round,
        address token,
        IGradientRounds.RoundPayout memory payout,
        bytes32 sibling
    ) internal pure returns (IGradientRounds.RoundClaim memory) {
        return IGradientRounds.RoundClaim(id, round, token, payout, _proof(sibling));
    }

    // ---- signatures --------------------------------------------------------------------------------

    function _roundDomain() internal view returns (bytes32) {
        return _domainOf(block.chainid, address(rounds));
    }

    function _roundHash(IGradientRounds.RoundAttestation memory attestation) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256(
            "RoundAttestation(uint256 training,uint256 round,bytes32 inputRoot,bytes32 resultRoot,bytes32 payoutRoot,uint256 acceptedCount)"
        );
        return keccak256(abi.encode(typeHash, attestation));
    }

    function _roundDigest(IGradientRounds.RoundAttestation memory attestation) internal view returns (bytes32) {
        return _digest(_roundDomain(), _roundHash(attestation));
    }

    function _roundFailure(uint256 id, uint256 round, uint8 point)
        internal
        view
        returns (IGradientRounds.RoundFailure memory)
    {
        bytes32 typeHash = keccak256("RoundFailure(uint256 training,uint256 round,bytes32 reason)");
        bytes32 digest =
            _digest(_roundDomain(), keccak256(abi.encode(typeHash, id, round, bytes32("PEER_LOST"))));
        uint256 key = point >= 1 && point <= 3 ? keys[point - 1] : 0xdead;
        return IGradientRounds.RoundFailure(point, "PEER_LOST", _sign(key, digest));
    }

    function _roundFailures(uint256 id, uint256 round, uint8 first, uint8 second)
        internal
        view
        returns (IGradientRounds.RoundFailure[2] memory)
    {
        return [_roundFailure(id, round, first), _roundFailure(id, round, second)];
    }

    function _signedUpdate(uint256 key, uint256 id, uint256 round, bytes32 root)
        internal
        view
        returns (IGradientRounds.SignedCommitment memory)
    {
        bytes32 typeHash = keccak256("UpdateCommitment(uint256 training,uint256 round,bytes32 root)");
        bytes32 digest = _digest(_roundDomain(), keccak256(abi.encode(typeHash, id, round, root)));
        return IGradientRounds.SignedCommitment(root, _sign(key, digest));
    }

    function _pairOf(uint256 key, uint256 id, uint256 round, bytes32 first, bytes32 second)
        internal
        view
        returns (IGradientRounds.SignedCommitment[2] memory)
    {
        return [_signedUpdate(key, id, round, first), _signedUpdate(key, id, round, second)];
    }

    // ---- assertions --------------------------------------------------------------------------------

    function _inState(uint256 id, TrainingState expected) internal view {
        _eq(uint256(rounds.training(id).state), uint256(expected), "state of the training");
    }

    function _hasStatus(uint256 id, address owner, OwnerStatus expected) internal view {
        _eq(uint256(rounds.dataOwner(id, owner).status), uint256(expected), "status of the data owner");
    }
}
